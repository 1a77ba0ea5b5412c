"""Networks as plain `nn.Module`s: no files, no devices, no training.

In: tensors (B, 3, S, S) in [-1, 1]. Out: features, logits, codes or images. Start with `build`.
"""
