"""Lesson 03: the layers of the network one by one, what each is and what it makes of an image."""

import torch
from torch import Tensor, nn

from course_ae.model import ConvAutoencoder, count_parameters


@torch.inference_mode()
def outputs(model: ConvAutoencoder, x: Tensor) -> dict[str, Tensor]:
    """What each layer makes of images (B, 1, H, W), by part and name, in order.

    The network judges as it does after training, with the statistics that it has learnt.
    """
    training, found, seen = model.training, {}, {}
    model.eval()
    x = x.to(next(model.parameters()).device)
    if model.from_mean:
        x = x - model.decoder.sigmoid.start.sigmoid()
    for part in ("encoder", "decoder"):
        for name, layer in getattr(model, part).named_children():
            x = layer(x)
            if part == "encoder":
                seen[name] = x
            elif name in model.skips:
                x = x + seen[model.skips[name]]
            found[f"{part} {name}"] = x
    model.train(training)
    return found


def layer_table(model: ConvAutoencoder, size: int = 227) -> list[dict[str, object]]:
    """Every layer in order with its output shape (without the batch) and its parameters.

    The shapes are measured: one empty image runs through the network.
    """
    rows = []
    for place, output in outputs(model, torch.zeros(1, 1, size, size)).items():
        part, name = place.split()
        layer = getattr(model, part).get_submodule(name)
        row = {"part": part, "layer": name, "kind": describe(layer)}
        shape = tuple(output.shape[1:])
        rows.append({**row, "shape": shape, "parameters": count_parameters(layer)})
    return rows


WORDS = {
    nn.Conv2d: "convolution",
    nn.ConvTranspose2d: "transposed convolution",
    nn.MaxPool2d: "max pooling",
    nn.Linear: "fully connected",
    nn.Flatten: "to a vector",
    nn.Unflatten: "to a grid",
    nn.Sigmoid: "sigmoid",
}


def describe(layer: nn.Module) -> str:
    """What a layer does in a few words, for example 'convolution 11x11, stride 4'."""
    core = layer.layer if hasattr(layer, "layer") else layer
    words = next(words for kind, words in WORDS.items() if isinstance(core, kind))
    if not hasattr(core, "kernel_size"):
        return words
    window = core.kernel_size if isinstance(core.kernel_size, int) else core.kernel_size[0]
    stride = core.stride if isinstance(core.stride, int) else core.stride[0]
    return f"{words} {window}x{window}" + (f", stride {stride}" if stride > 1 else "")
