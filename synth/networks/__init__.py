"""Neural networks as plain `nn.Module`s, without files, devices or training.

In: tensors (B, 3, S, S) in [-1, 1]. Out: features, logits, codes or images. Start with `build`.
"""
