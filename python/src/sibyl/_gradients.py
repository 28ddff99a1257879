"""Backward passes of torch.ops.sibyl, as formulas in torch's own operators."""

from __future__ import annotations

from typing import Any, Callable, Optional

import torch
from torch import Tensor


def refuse(name: str) -> RuntimeError:
    return RuntimeError(f"{name} has no gradient: call it under torch.no_grad(), or with x.detach()")


class NoGradient(torch.autograd.Function):
    """Passes a result on whose backward pass is an error with the name of what made it."""

    @staticmethod
    def forward(ctx: Any, name: str, result: Tensor, *inputs: Tensor) -> Tensor:
        ctx.name = name
        return result.view_as(result)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise refuse(ctx.name)


def none(name: str) -> Callable[..., Any]:
    """The backward pass of an operator that has none."""

    def backward(ctx: Any, gradient: Tensor) -> Any:
        raise refuse(f"torch.ops.sibyl.{name}")

    return backward


def save(*places: int) -> Callable[..., None]:
    """Keeps the inputs at these places as tensors and all others as they are; place -1 is the output."""

    def setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*(output if i < 0 else inputs[i] for i in places))
        ctx.given = tuple(None if isinstance(x, Tensor) else x for x in inputs)

    return setup


def _wanted(ctx: Any, place: int) -> bool:
    """Whether an input needs a gradient; torch leaves out inputs at the end that have their default."""
    return place < len(ctx.needs_input_grad) and ctx.needs_input_grad[place]


def _wide(*tensors: Optional[Tensor]) -> list[Any]:
    """Tensors of 16 bits as float32."""
    return [t.float() if t is not None and t.dtype in (torch.float16, torch.bfloat16) else t for t in tensors]


# ---- Products -----------------------------------------------------------------------------------------------


def matmul(ctx: Any, gradient: Tensor) -> Any:
    a, b = ctx.saved_tensors
    left, right, g = a, b, gradient
    if a.dim() == 1:
        left, g = a.unsqueeze(0), g.unsqueeze(-1 if b.dim() == 1 else -2)
    if b.dim() == 1:
        right = b.unsqueeze(-1)
        g = g if a.dim() == 1 else g.unsqueeze(-1)
    if a.dim() == 1 and b.dim() == 1:
        g = g.reshape(1, 1)
    of_a = (g @ right.mT).sum_to_size(left.shape).reshape(a.shape) if _wanted(ctx, 0) else None
    of_b = (left.mT @ g).sum_to_size(right.shape).reshape(b.shape) if _wanted(ctx, 1) else None
    return of_a, of_b


def _conv(ctx: Any, gradient: Tensor, x: Tensor, w: Tensor, has_bias: bool, windows: tuple[Any, ...], groups: int) -> Any:
    stride, padding, dilation = windows
    sizes = [w.shape[0]] if has_bias else None
    needed = [_wanted(ctx, 0), _wanted(ctx, 1), has_bias and _wanted(ctx, 2)]
    return torch.ops.aten.convolution_backward(
        gradient, x, w, sizes, stride, padding, dilation, False, [0] * len(stride), groups, needed
    )


def conv(ctx: Any, gradient: Tensor) -> Any:
    x, w, bias = ctx.saved_tensors
    stride, padding, dilation, groups = ctx.given[3:]
    return (*_conv(ctx, gradient, x, w, bias is not None, (stride, padding, dilation), groups), None, None, None, None)


def conv1d(ctx: Any, gradient: Tensor) -> Any:
    x, w, bias = ctx.saved_tensors
    stride, padding, dilation, groups, gelu = ctx.given[3:]
    if gelu:
        before = torch.nn.functional.conv1d(x, w, bias, stride, padding, dilation, groups)
        gradient = torch.ops.aten.gelu_backward(gradient, before)
    alone = x.dim() == 2
    windows = ([stride], [padding], [dilation])
    gradient, given = (gradient.unsqueeze(0), x.unsqueeze(0)) if alone else (gradient, x)
    of_x, of_w, of_bias = _conv(ctx, gradient, given, w, bias is not None, windows, groups)
    return of_x.squeeze(0) if alone and of_x is not None else of_x, of_w, of_bias, None, None, None, None, None


# ---- Rows ---------------------------------------------------------------------------------------------------


def softmax(ctx: Any, gradient: Tensor) -> Any:
    (y,) = ctx.saved_tensors
    g, wide = _wide(gradient, y)
    product = g * wide
    return (product - wide * product.sum(ctx.given[1], keepdim=True)).to(y.dtype), None


def gelu(ctx: Any, gradient: Tensor) -> Any:
    (x,) = ctx.saved_tensors
    return torch.ops.aten.gelu_backward(gradient, x, approximate=ctx.given[1]), None


def _standardized(x: Tensor, axis: int, eps: float, centred: bool) -> tuple[Tensor, Tensor, list[int]]:
    """(x - mean) / deviation, 1 / deviation, and the axes."""
    axes = list(range(axis % x.dim(), x.dim()))
    if centred:
        x = x - x.mean(axes, keepdim=True)
    inverse = (x.square().mean(axes, keepdim=True) + eps).rsqrt()
    return x * inverse, inverse, axes


def layer_norm(ctx: Any, gradient: Tensor) -> Any:
    x, weight, bias = ctx.saved_tensors
    axis, eps = ctx.given[3:]
    g, wide, w = _wide(gradient, x, weight)
    y, inverse, axes = _standardized(wide, axis, eps, True)
    gw = g * w
    of_x = inverse * (gw - gw.mean(axes, keepdim=True) - y * (gw * y).mean(axes, keepdim=True))
    of_bias = None if bias is None else g.sum_to_size(bias.shape).to(bias.dtype)
    return of_x.to(x.dtype), (g * y).sum_to_size(weight.shape).to(weight.dtype), of_bias, None, None


def rms_norm(ctx: Any, gradient: Tensor) -> Any:
    x, weight = ctx.saved_tensors
    axis, eps = ctx.given[2:]
    g, wide, w = _wide(gradient, x, weight)
    y, inverse, axes = _standardized(wide, axis, eps, False)
    gw = g * w
    of_x = inverse * (gw - y * (gw * y).mean(axes, keepdim=True))
    return of_x.to(x.dtype), (g * y).sum_to_size(weight.shape).to(weight.dtype), None, None


# ---- Attention ----------------------------------------------------------------------------------------------


def rotary_embedding(ctx: Any, gradient: Tensor) -> Any:
    cos, sin, position_ids = ctx.saved_tensors
    if _wanted(ctx, 1) or _wanted(ctx, 2):
        raise refuse("torch.ops.sibyl.rotary_embedding, for cos and sin,")
    back = torch.ops.sibyl.rotary_embedding(gradient.contiguous(), cos, -sin, position_ids, *ctx.given[4:])
    return back, None, None, None, None, None, None


def _heads(x: Tensor, heads: int) -> Tensor:
    """(batch, sequence, heads * head) as (batch, heads, sequence, head); rank 4 as it is."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2) if x.dim() == 3 else x


def _joined(x: Tensor, like: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2) if like.dim() == 3 else x


def attention(ctx: Any, gradient: Tensor) -> Any:
    query, key, value, mask = ctx.saved_tensors
    causal, scale, cap, q_heads, kv_heads = ctx.given[4:]
    g, wide_q, wide_k, wide_v, bias = _wide(gradient, query, key, value, mask)
    q, g = _heads(wide_q, q_heads), _heads(g, q_heads)
    k, v = _heads(wide_k, kv_heads), _heads(wide_v, kv_heads)
    groups = q.shape[1] // k.shape[1]
    every_k, every_v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    capped = scores = q @ every_k.mT * scale
    if cap:
        capped = cap * torch.tanh(scores / cap)
    biased = capped
    if mask is not None:
        biased = capped.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else capped + bias
    if causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        biased = biased.masked_fill(~seen, float("-inf"))
    p = torch.softmax(biased, -1).nan_to_num(0.0)  # rows that see nothing are zeros
    of_p = g @ every_v.mT
    of_biased = p * (of_p - (of_p * p).sum(-1, keepdim=True))
    of_scores = of_biased * (1 - (capped / cap).square()) if cap else of_biased
    of_q = of_scores @ every_k * scale
    of_k = (of_scores.mT @ q * scale).unflatten(1, (-1, groups)).sum(2)
    of_v = (p.mT @ g).unflatten(1, (-1, groups)).sum(2)
    of_mask = of_biased.sum_to_size(mask.shape).to(mask.dtype) if _wanted(ctx, 3) else None
    found = [_joined(of, x).to(x.dtype) for of, x in ((of_q, query), (of_k, key), (of_v, value))]
    return (*found, of_mask, None, None, None, None, None)
