"""Whisper, with OpenAI's names of parameters, and what training needs besides: short windows, attention to look at."""
import dataclasses
import math

import numpy
import torch
import torch.nn.functional as F
from torch import nn

from . import vocabulary

FRAMES = 1500  # the encoder's positions in 30 s


@dataclasses.dataclass(frozen=True)
class Dimensions:
    n_mels: int = 80
    n_audio_ctx: int = FRAMES
    n_audio_state: int = 80
    n_audio_head: int = 4
    n_audio_layer: int = 3
    n_vocab: int = vocabulary.SIZE
    n_text_ctx: int = 160
    n_text_state: int = 80
    n_text_head: int = 4
    n_text_layer: int = 2


def sinusoids(length, channels):
    """float32 [length, channels]: Whisper's positions of the encoder, sines and then cosines of falling frequency."""
    scales = torch.exp(-math.log(10000) / (channels // 2 - 1) * torch.arange(channels // 2))
    angles = torch.arange(length)[:, None] * scales
    return torch.cat([angles.sin(), angles.cos()], dim=1)


# Frames of 20 ms that each head of each encoder layer looks ahead at first; None: nothing of the kind.
LOOKS = ((-3, -1, 1, 3), (-9, -4, 4, 9), (-14, None, None, 14))


class Attention(nn.Module):
    def __init__(self, state, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(state, state)
        self.key = nn.Linear(state, state, bias=False)
        self.value = nn.Linear(state, state)
        self.out = nn.Linear(state, state)

    @torch.no_grad()
    def look(self, offsets, gain=2.4):
        """Begins with each head looking so many positions ahead: its query is the sinusoids turned by as much, its key those
        sinusoids. A small model learns in minutes what it would else find after hours: that sounds are made of neighbours."""
        state = self.query.weight.shape[0]
        pairs = state // self.heads // 2
        scales = torch.exp(-math.log(10000) / (state // 2 - 1) * torch.arange(pairs))
        for head, offset in enumerate(offsets):
            if offset is None:
                continue
            for pair in range(pairs):
                sine, cosine = head * 2 * pairs + 2 * pair, head * 2 * pairs + 2 * pair + 1  # rows
                angle = float(scales[pair]) * offset
                turned = gain * torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
                columns = [pair, state // 2 + pair]
                for rows, weight, wanted in (((sine, cosine), self.query.weight, turned), ((sine, cosine), self.key.weight, torch.eye(2))):
                    for i, row in enumerate(rows):
                        weight[row] *= 0.2
                        weight[row, columns] += wanted[i]

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [batch, heads, length, state / heads]

    def forward(self, x, source=None, causal=False, mask=None):
        source = x if source is None else source
        query, key, value = self.split(self.query(x)), self.split(self.key(source)), self.split(self.value(source))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def weighed(self, x, source):
        """As forward, and the logarithm of the weights [batch, heads, length, length of source]."""
        query, key, value = self.split(self.query(x)), self.split(self.key(source)), self.split(self.value(source))
        weights = (query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])).log_softmax(dim=-1)
        return self.out((weights.exp() @ value).transpose(1, 2).flatten(2)), weights


class Block(nn.Module):
    def __init__(self, state, heads, cross=False):
        super().__init__()
        self.attn = Attention(state, heads)
        self.attn_ln = nn.LayerNorm(state)
        self.cross_attn = Attention(state, heads) if cross else None
        self.cross_attn_ln = nn.LayerNorm(state) if cross else None
        self.mlp = nn.Sequential(nn.Linear(state, 4 * state), nn.GELU(), nn.Linear(4 * state, state))
        self.mlp_ln = nn.LayerNorm(state)

    def forward(self, x, source=None):
        """(x, log weights of the attention to `source` or None)"""
        weights = None
        x = x + self.attn(self.attn_ln(x), causal=source is not None)
        if source is not None:
            mixed, weights = self.cross_attn.weighed(self.cross_attn_ln(x), source)
            x = x + mixed
        return x + self.mlp(self.mlp_ln(x)), weights


class Encoder(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.conv1 = nn.Conv1d(dims.n_mels, dims.n_audio_state, 3, padding=1)
        self.conv2 = nn.Conv1d(dims.n_audio_state, dims.n_audio_state, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(dims.n_audio_ctx, dims.n_audio_state))
        self.blocks = nn.ModuleList(Block(dims.n_audio_state, dims.n_audio_head) for _ in range(dims.n_audio_layer))
        self.ln_post = nn.LayerNorm(dims.n_audio_state)
        for conv in (self.conv1, self.conv2):  # strong enough to be heard beside the positions
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        for block, offsets in zip(self.blocks, LOOKS):
            block.attn.look(offsets)

    def forward(self, mel, offsets=None):
        """mel [batch, n_mels, 2 * frames]; offsets int64 [batch]: the window's position that the first frame stands at."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        places = torch.arange(x.shape[1]) if offsets is None else offsets[:, None] + torch.arange(x.shape[1])
        x = x + self.positional_embedding[places]
        for block in self.blocks:
            x, _ = block(x)
        return self.ln_post(x)


class Decoder(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.token_embedding = nn.Embedding(dims.n_vocab, dims.n_text_state)
        self.positional_embedding = nn.Parameter(torch.randn(dims.n_text_ctx, dims.n_text_state) * 0.02)
        self.blocks = nn.ModuleList(Block(dims.n_text_state, dims.n_text_head, cross=True) for _ in range(dims.n_text_layer))
        self.ln = nn.LayerNorm(dims.n_text_state)
        # A timestamp begins as the encoder's position of the same time: cross-attention can copy the one to the other.
        with torch.no_grad():
            self.token_embedding.weight.normal_(std=0.1)
            last = self.blocks[-1].cross_attn
            for linear in (last.value, last.out):
                linear.weight.mul_(0.5).add_(0.7 * torch.eye(dims.n_text_state))
            self.token_embedding.weight[vocabulary.FIRST_TIMESTAMP:] = 0.3 * sinusoids(vocabulary.TIMESTAMPS, dims.n_text_state)

    def hidden(self, tokens, audio):
        """(what logits are made of [batch, length, state], log weights of the last layer's attention to the audio)"""
        x = self.token_embedding(tokens) + self.positional_embedding[:tokens.shape[1]]
        for block in self.blocks:
            x, weights = block(x, audio)
        return self.ln(x), weights

    def forward(self, tokens, audio):
        """(logits [batch, length, n_vocab], log weights as hidden() gives them)"""
        x, weights = self.hidden(tokens, audio)
        return x @ self.token_embedding.weight.T, weights


class Whisper(nn.Module):
    def __init__(self, dims=Dimensions()):
        super().__init__()
        self.dims = dims
        self.encoder = Encoder(dims)
        self.decoder = Decoder(dims)

    def save(self, path):
        """OpenAI's checkpoint: {"dims", "model_state_dict"}, weights as float16."""
        state = {name: value.detach().half().contiguous() for name, value in self.state_dict().items()}
        torch.save({"dims": dataclasses.asdict(self.dims), "model_state_dict": state}, path)


def load(path):
    stored = torch.load(path, weights_only=True)
    model = Whisper(Dimensions(**stored["dims"]))
    model.load_state_dict({name: value.float() for name, value in stored["model_state_dict"].items()})
    return model.eval()


def parameters(model):
    return sum(int(numpy.prod(value.shape)) for value in model.state_dict().values())
