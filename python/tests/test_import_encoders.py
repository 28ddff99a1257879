"""Imported encoders of text, and encoders with decoders, against the originals of transformers with small random weights."""

import functools
import json
import shutil

import numpy as np
import pytest
from conftest import note_model, peer

import sibyl

SMALL = dict(vocab_size=300, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=112,
             max_position_embeddings=48, pad_token_id=1, bos_token_id=0, eos_token_id=2, cls_token_id=0, sep_token_id=2)  # fmt: skip
DEBERTA = dict(SMALL, relative_attention=True, type_vocab_size=0, position_biased_input=False, pos_att_type=["p2c", "c2p"])

ENCODERS = {
    "bert": ("Bert", SMALL),
    "bert-relu": ("Bert", dict(SMALL, hidden_act="relu", layer_norm_eps=1e-5)),
    "roberta": ("Roberta", SMALL),
    "xlm-roberta": ("XLMRoberta", dict(SMALL, type_vocab_size=1)),
    "camembert": ("Camembert", dict(SMALL, type_vocab_size=1)),
    "distilbert": ("DistilBert", dict(vocab_size=300, dim=64, n_layers=3, n_heads=4, hidden_dim=112, max_position_embeddings=48)),
    "electra": ("Electra", dict(SMALL, embedding_size=32)),
    "mpnet": ("MPNet", dict(SMALL, max_position_embeddings=220)),
    "modernbert": ("ModernBert", dict(SMALL, local_attention=12, num_hidden_layers=5)),
    "deberta-v3": ("DebertaV2", dict(DEBERTA, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
                                     max_relative_positions=20)),
    "deberta-v2": ("DebertaV2", dict(DEBERTA, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
                                     conv_kernel_size=3, conv_act="gelu")),
    "albert": ("Albert", dict(SMALL, embedding_size=40, num_hidden_layers=5)),
    "albert-groups": ("Albert", dict(SMALL, embedding_size=64, num_hidden_layers=7, num_hidden_groups=3, hidden_act="gelu_new")),
    "xlm-roberta-xl": ("XLMRobertaXL", dict(SMALL, type_vocab_size=1)),
    "deberta-apart": ("DebertaV2", dict(DEBERTA, position_biased_input=True, type_vocab_size=2, max_relative_positions=10)),
}  # fmt: skip


def scatter(model, torch, seed=0):
    """Random weights whose outputs depend on every one of them."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.copy_(("norm" in name.lower() and name.endswith("weight")) + 0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (1 if "embed" in name or "bias" in name else p[0].numel() ** -0.5))
    return model.eval()


def some_tokens(config, n, pads):
    """[len(pads), n] ids, each row with padding behind it, and the mask."""
    tokens = np.random.default_rng(0).integers(3, config.vocab_size, (len(pads), n))
    mask = np.ones_like(tokens)
    for row, pad in enumerate(pads):
        tokens[row, n - pad :], mask[row, n - pad :] = config.pad_token_id, 0
    return tokens, mask


def gap(ours, theirs, mask=None):
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs)
    return (difference[mask != 0] if mask is not None else difference).max()


def run_theirs(model, torch, given):
    """What model computes, and how far float32 is from double there."""
    with torch.no_grad():
        single, double = (dict(m(**given)) for m in (model, model.double()))
    return {name: value.numpy() for name, value in double.items() if hasattr(value, "numpy")}, single


HEADS = [*((kind, "ForMaskedLM") for kind in ("bert", "roberta", "distilbert", "electra", "mpnet", "modernbert", "deberta-v2", "albert", "xlm-roberta-xl")),
         *((kind, "ForSequenceClassification") for kind in ("bert", "roberta", "distilbert", "electra", "modernbert", "deberta-v2", "albert", "xlm-roberta-xl")),
         *((kind, "ForTokenClassification") for kind in ("bert", "modernbert", "albert")), ("bert", "ForQuestionAnswering")]  # fmt: skip


@pytest.mark.parametrize("kind, head, opset", [*((kind, "Model", 23) for kind in ENCODERS), *((*pair, 23) for pair in HEADS),
                                               *((kind, "Model", 20) for kind in ("bert", "modernbert", "deberta-v2"))])  # fmt: skip
def test_encoders(kind, head, opset, tmp_path):
    torch, transformers = peer("torch"), peer("transformers")
    family, settings = ENCODERS[kind]
    config = getattr(transformers, family + "Config")(**settings)
    model = scatter(getattr(transformers, family + head)(config), torch)
    model.save_pretrained(tmp_path / "model")
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx", opset=opset)
    session = sibyl.InferenceSession(tmp_path / "m.onnx")
    tokens, mask = some_tokens(config, 200 if kind == "mpnet" else 40, [0, 11])
    given = {"input_ids": tokens, "attention_mask": mask}
    if "token_type_ids" in [x.name for x in session.get_inputs()]:
        given["token_type_ids"] = np.random.default_rng(1).integers(0, 2, tokens.shape)
    expected, single = run_theirs(model, torch, {name: torch.from_numpy(x) for name, x in given.items()})
    for name, value in expected.items():
        kept = mask if value.ndim > 1 and value.shape[:2] == mask.shape else None
        allowed = max(2e-6 * np.abs(value).max(), gap(single[name].numpy(), value, kept))
        error = gap(session.run([name], given)[0], value, kept)
        assert error <= allowed, name
        note_model("folder", family, error / np.abs(value).max())


# ---- Texts as vectors --------------------------------------------------------------------------------------------------

TEXTS = ["The cat sat on a mat.", "Dogs running", "", "a cat, " * 20, "NAÏVE house"]
PROMPTS = {"query": "query: ", "passage": "passage: "}


def word_pieces(path):
    """A tokenizer of BERT's kind, for words of letters, from the package `tokenizers`."""
    tk = peer("tokenizers")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"the cat sat on mat dog query passage : , .".split(), *letters, *("##" + c for c in letters)]
    t = tk.Tokenizer(tk.models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = tk.normalizers.BertNormalizer(lowercase=True), tk.pre_tokenizers.BertPreTokenizer()
    t.post_processor = tk.processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.save(str(path))
    t.enable_truncation(16)
    return t, len(words)


def pool(mode, x):
    """x: [n, d] vectors of a text's tokens."""
    n = len(x)
    if mode == "pooling_mode_weightedmean_tokens":
        return np.arange(1, n + 1) @ x / np.arange(1, n + 1).sum()
    return {"pooling_mode_cls_token": x[0], "pooling_mode_max_tokens": x.max(0), "pooling_mode_mean_tokens": x.mean(0),
            "pooling_mode_mean_sqrt_len_tokens": x.sum(0) / n**0.5, "pooling_mode_lasttoken": x[-1]}[mode]  # fmt: skip


def save_sentence_model(folder, modes, modules, **config):
    torch, transformers = peer("torch"), peer("transformers")
    folder.mkdir()
    tokenizer, n_vocab = word_pieces(folder / "tokenizer.json")
    model = scatter(transformers.BertModel(transformers.BertConfig(**dict(SMALL, vocab_size=n_vocab, pad_token_id=0))), torch)
    model.save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({mode: True for mode in modes} | config))
    kinds = [{"idx": i, "path": "" if not i else f"{i}_{kind}", "type": "sentence_transformers.models." + kind} for i, kind in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(kinds))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 16, "do_lower_case": False}))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": PROMPTS, "default_prompt_name": "query"}))
    return torch, model, tokenizer


@pytest.mark.parametrize("modes, normalized", [
    (["pooling_mode_mean_tokens"], True), (["pooling_mode_cls_token"], False), (["pooling_mode_max_tokens"], False),
    (["pooling_mode_mean_sqrt_len_tokens"], False), (["pooling_mode_lasttoken"], True),
    (["pooling_mode_cls_token", "pooling_mode_weightedmean_tokens"], True)])  # fmt: skip
def test_sentences(modes, normalized, tmp_path):
    """Folders of sentence-transformers: pooling, normalisation, prompts and the longest text as they say."""
    modules = ["Transformer", "Pooling", *["Normalize"] * normalized]
    torch, model, tokenizer = save_sentence_model(tmp_path / "model", modes, modules)
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
    job = sibyl.Job(tmp_path / "m.onnx")
    for prompt in (None, "passage", ""):
        inputs = [{"text": text} | ({} if prompt is None else {"prompt_name": prompt}) for text in TEXTS]
        for text, ours in zip(TEXTS, job.run_many(inputs)):
            ids = tokenizer.encode(PROMPTS.get("query" if prompt is None else prompt, "") + text).ids
            assert list(ours["tokens"]) == ids and len(ids) <= 16
            with torch.no_grad():
                hidden = model.double()(torch.tensor([ids])).last_hidden_state[0].numpy()
            expected = np.concatenate([pool(mode, hidden) for mode in modes])
            expected = expected / np.linalg.norm(expected) if normalized else expected
            assert gap(np.asarray(ours["embedding"]), expected) <= 3e-6 * np.abs(expected).max()


@pytest.mark.parametrize("name, function", [("Tanh", np.tanh), ("Identity", lambda x: x)])
def test_sentences_with_a_matrix(name, function, tmp_path):
    """A module Dense, whose weights are in a folder of its own."""
    torch, model, tokenizer = save_sentence_model(tmp_path / "model", ["pooling_mode_mean_tokens"], ["Transformer", "Pooling", "Dense", "Normalize"])
    dense = scatter(torch.nn.Linear(64, 24, bias=name == "Tanh"), torch, seed=1)
    folder = tmp_path / "model" / "2_Dense"
    folder.mkdir()
    config = {"in_features": 64, "out_features": 24, "bias": name == "Tanh", "activation_function": "torch.nn.modules.activation." + name}
    (folder / "config.json").write_text(json.dumps(config))
    torch.save({"linear." + key: value for key, value in dense.state_dict().items()}, folder / "pytorch_model.bin")
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
    ours = sibyl.Job(tmp_path / "m.onnx").run({"text": TEXTS[0], "prompt_name": ""})
    with torch.no_grad():
        hidden = model.double()(torch.tensor([tokenizer.encode(TEXTS[0]).ids])).last_hidden_state[0]
        x = function(dense.double()(hidden.mean(0)).numpy())
    assert gap(np.asarray(ours["embedding"]), x / np.linalg.norm(x)) <= 2e-6
    for change, said in (({"out_features": 25}, "no linear.weight of the sizes"), ({"in_features": 63}, "in_features"),
                         ({"activation_function": "a.Sine"}, "'Sine'")):  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(sibyl.SibylError, match=said):
            sibyl.import_model(tmp_path / "model", tmp_path / "n.onnx")


def test_sentences_refused(tmp_path):
    for i, (modules, config, said) in enumerate([
        (["Transformer", "Pooling", "LSTM"], {}, "the module 'LSTM' of its modules.json is not supported"),
        (["Transformer", "Pooling", "Dense"], {}, "the module 'Dense' of its modules.json has no config.json"),
        (["Transformer", "Pooling"], {"include_prompt": False}, "include_prompt"),
        (["Transformer", "Pooling"], {"pooling_mode_mean_tokens": False}, "is none of cls, max, mean")]):  # fmt: skip
        save_sentence_model(tmp_path / f"model{i}", ["pooling_mode_mean_tokens"], modules, **config)
        with pytest.raises(sibyl.SibylError, match=said):
            sibyl.import_model(tmp_path / f"model{i}", tmp_path / "m.onnx")


# ---- Text to text ------------------------------------------------------------------------------------------------------

T5 = dict(vocab_size=300, d_model=48, d_kv=20, d_ff=112, num_layers=3, num_decoder_layers=2, num_heads=4, decoder_start_token_id=0,
          relative_attention_num_buckets=12, relative_attention_max_distance=20, pad_token_id=0, eos_token_id=1)  # fmt: skip
BART = dict(vocab_size=300, d_model=48, encoder_layers=3, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=6,
            encoder_ffn_dim=112, decoder_ffn_dim=80, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=2,
            decoder_start_token_id=1, forced_eos_token_id=None)  # fmt: skip
TRANSLATORS = {
    "t5": ("T5", T5),
    "t5-gated": ("T5", dict(T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),  # 1.1, Flan: scores have their own table
    "mt5": ("MT5", T5),
    "umt5": ("UMT5", T5),
    "bart": ("Bart", BART),
    "bart-base": ("Bart", dict(BART, activation_function="gelu_new", scale_embedding=True)),  # a folder of the model without its head
    "mbart": ("MBart", dict(BART, scale_embedding=True, activation_function="relu", decoder_start_token_id=None)),
    "m2m-100": ("M2M100", dict(BART, activation_function="relu", pad_token_id=4)),
    "m2m-100-unscaled": ("M2M100", dict(BART, scale_embedding=False)),
    "bart-untied": ("Bart", dict(BART, tie_word_embeddings=False)),
    "marian": ("Marian", dict(BART, scale_embedding=True, activation_function="swish")),
    "marian-apart": ("Marian", dict(BART, share_encoder_decoder_embeddings=False, decoder_vocab_size=310)),
    "marian-untied": ("Marian", dict(BART, share_encoder_decoder_embeddings=False, tie_word_embeddings=False)),
    "pegasus": ("Pegasus", dict(BART, scale_embedding=True, activation_function="relu", decoder_start_token_id=3)),
}  # fmt: skip


def save_translator(folder, kind):
    torch, transformers, tk = peer("torch"), peer("transformers"), peer("tokenizers")
    family, settings = TRANSLATORS[kind]
    model = scatter(getattr(transformers, family + ("MTModel" if family == "Marian" else "ForConditionalGeneration"))(getattr(transformers, family + "Config")(**settings)), torch)
    if not settings.get("tie_word_embeddings", True):
        model.lm_head.weight = torch.nn.Parameter(torch.randn(settings["vocab_size"], settings["d_model"]) / 7)
    if hasattr(model, "final_logits_bias") and kind != "bart-base":
        model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias))
    with torch.no_grad():  # T5 divides no scores by sqrt(d_kv): its first weights of queries do
        for name, p in model.named_parameters():
            p.mul_(settings["d_kv"] ** -0.5 if name.endswith("Attention.q.weight") else 1)
        for module in model.modules():  # sines of Marian and Pegasus, which no file has
            if hasattr(module, "create_weight"):
                module.weight.copy_(module.create_weight())
    (model.model if kind == "bart-base" else model).save_pretrained(folder)
    names = {0: "<pad>", 1: "</s>", 2: "<unk>"}
    tokenizer = tk.Tokenizer(tk.models.WordLevel({names.get(i, f"w{i}"): i for i in range(300)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tk.pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(names.values()))
    tokenizer.post_processor = tk.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    sibyl.import_model(folder, folder / "m.onnx")
    return folder, torch, model


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    """The folder of each kind, with the imported m.onnx, torch and the original in double, made once."""
    return functools.cache(lambda kind: save_translator(tmp_path_factory.mktemp(kind), kind))


def translate(session, source, tokens, layers, heads, size):
    """Logits behind all tokens at once, and by steps with a cache, of two beginnings of one source's translation."""
    names, pairs = [f"present_{what}.{i}" for i in range(layers) for what in "kv"], [f"{what}.{i}" for i in range(layers) for what in "kv"]
    past, cross, steps = [np.zeros((len(tokens), heads, 0, size), "f4")] * len(names), [np.zeros((1, heads, 1, size), "f4")] * len(names), []

    def run(outputs, source, tokens, past, at):  # both graphs are one file, whose inputs are all given
        cached = {name.replace("present", "past"): value for name, value in zip(names, past)}
        return session.run(outputs, {"source": source, "tokens": tokens, "at": np.array(at), **cached, **{"cross_" + n: x for n, x in zip(pairs, cross)}})

    cross = run(["source_" + n for n in pairs], source, tokens, past, [0])
    whole = run(["logits"], source[:, :1], tokens, past, range(tokens.shape[1]))[0]
    for t in range(tokens.shape[1]):
        step, *past = run(["logits", *names], source[:, :1], tokens[:, t : t + 1], past, [0])
        steps.append(step)
    return whole, np.concatenate(steps, axis=1)


@pytest.mark.parametrize("kind, opset", [*((kind, 23) for kind in TRANSLATORS), ("t5", 20), ("m2m-100", 20)])
def test_text_to_text(kind, opset, translators, tmp_path):
    folder, torch, model = translators(kind)
    path = folder / "m.onnx"
    if opset != 23:
        sibyl.import_model(folder, path := tmp_path / "m.onnx", opset=opset)
    source, tokens = (np.random.default_rng(0).integers(5, 300, dims) for dims in ((1, 29), (2, 33)))
    source[0, -1] = tokens[0, -1] = model.config.pad_token_id  # M2M-100 gives padding no place
    both = {"input_ids": torch.from_numpy(source.repeat(2, 0)), "decoder_input_ids": torch.from_numpy(tokens)}
    with torch.no_grad():
        single = model.float()(**both).logits.numpy()
        expected = model.double()(**both).logits.numpy()
    allowed = max(2e-6 * np.abs(expected).max(), gap(single, expected))
    session = sibyl.InferenceSession(path)
    said = session.get_modelmeta().custom_metadata_map
    sizes = [int(said[key]) for key in ("n_layer", "n_head", "head_size")]
    errors = [gap(x, expected) for x in translate(session, source, tokens, *sizes)]
    assert max(errors) <= allowed
    note_model("folder", TRANSLATORS[kind][0], max(errors) / np.abs(expected).max())
    if kind in ("t5", "bart"):  # the file is ordinary ONNX
        other = peer("onnxruntime").InferenceSession(path)
        assert all(gap(x, expected) <= 3 * allowed for x in translate(other, source, tokens, *sizes))


@pytest.mark.parametrize("kind", TRANSLATORS)
@pytest.mark.parametrize("forced", [None, 7])
def test_text_to_text_greedy(kind, forced, translators):
    """The job's text is what generate writes: the source is read once, then a token a step. forced: a token of the target's language."""
    folder, torch, model = translators(kind)
    source = torch.tensor([[5, 17, 200, 33, 9, 150, 1]])
    theirs = model.double().generate(source, do_sample=False, num_beams=1, max_new_tokens=40, forced_bos_token_id=forced)[0].tolist()
    inputs = {"text": "w5 w17 w200 w33 w9 w150", "max_tokens": 40}
    begun = theirs[: 1 if forced is None else 2]
    ours = sibyl.Job(folder / "m.onnx").run(inputs if forced is None else inputs | {"target_tokens": begun})
    assert forced in (None, *begun[1:])
    assert [*begun, *ours["tokens"]][: len(theirs)] == theirs[: len(begun) + len(ours["tokens"])] and len(ours["tokens"]) >= len(theirs) - 2
    assert set(ours) == {"text", "tokens", "logprobs"} and ours["text"].split() == [f"w{i}" for i in ours["tokens"]]


@pytest.mark.parametrize("there, said", [(None, "has no tokenizer: fetch tokenizer.json"), ("spiece.model", "no pieces.*fetch tokenizer.json")])
def test_text_to_text_without_tokenizer(there, said, translators, tmp_path):
    ignored = shutil.ignore_patterns("m.onnx*", "tokenizer*")
    shutil.copytree(translators("marian")[0], tmp_path / "model", ignore=ignored)
    if there:
        (tmp_path / "model" / there).write_bytes(b"")
    with pytest.raises(sibyl.SibylError, match=said):
        sibyl.importing.import_cached(tmp_path / "model")


def test_text_to_text_generation_config(translators, tmp_path):
    """What generation_config.json says goes before config.json: the first tokens, and tokens that are never drawn."""
    folder, torch, model = translators("marian")
    shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("m.onnx*"))
    source = torch.tensor([[5, 17, 200, 33, 9, 150, 1]])
    plain = model.double().generate(source, do_sample=False, num_beams=1, max_new_tokens=9)[0].tolist()
    path = tmp_path / "model" / "generation_config.json"
    said = json.loads(path.read_text()) | {"forced_bos_token_id": 7, "decoder_start_token_id": 3, "bad_words_ids": [[plain[2]], [1], [8, 9]]}
    path.write_text(json.dumps(said))
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
    other = type(model).from_pretrained(tmp_path / "model").double()
    theirs = other.generate(source, do_sample=False, num_beams=1, max_new_tokens=40)[0].tolist()
    ours = sibyl.Job(tmp_path / "m.onnx").run({"text": "w5 w17 w200 w33 w9 w150", "max_tokens": 39})
    assert [3, 7, *ours["tokens"]] == theirs and plain[2] not in theirs


@pytest.mark.parametrize("kind, changes", [
    ("t5", [({"num_heads": 7}, "heads"), ({"feed_forward_proj": "gated-sine"}, "sine"), ({"layer_norm_epsilon": -1.0}, "epsilon"),
            ({"relative_attention_max_distance": 1}, "distances"), ({"decoder_start_token_id": 300}, "decoder_start_token_id"),
            ({"model_type": "longt5"}, "longt5.*t5, mt5, umt5")]),
    ("m2m-100", [({"encoder_attention_heads": 7}, "heads"), ({"activation_function": "sine"}, "sine"), ({"pad_token_id": 300}, "pad_token_id"),
                 ({"forced_bos_token_id": 300}, "forced_bos_token_id"), ({"max_position_embeddings": 0}, "positions")]),
    ("marian", [({"max_position_embeddings": 0}, "0 positions"), ({"max_position_embeddings": 10**18}, "positions"), ({"encoder_attention_heads": 7}, "heads")])])  # fmt: skip
def test_text_to_text_refused(kind, changes, translators, tmp_path):
    shutil.copytree(translators(kind)[0], tmp_path / "model", ignore=shutil.ignore_patterns("m.onnx", "generation_config.json"))
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    for change, said in changes:
        path.write_text(json.dumps(config | change))
        with pytest.raises(sibyl.SibylError, match=said):
            sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
    path.write_text(json.dumps(config | {"model_type": "longbart"}))
    with pytest.raises(sibyl.SibylError, match="'longbart'.*but for bart, mbart, m2m_100, marian, pegasus"):
        sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx", recipe="bart")
    assert not (tmp_path / "m.onnx").exists()
