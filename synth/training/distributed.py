"""Several processes that train one network together: `torchrun --nproc-per-node 2 scripts/train_gan.py ...`.

Each process takes its own part of every batch. Then the gradients are averaged, so all processes hold the same weights,
and the result equals that of one process up to rounding. Only the first process writes. (`DistributedDataParallel` does
not support gradients of gradients, which the penalties on a discriminator need. One sum of all gradients does, Karras
et al. 2020.)
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

PATIENCE = timedelta(hours=6)
"""How long the others wait for the first process while it trains the autoencoder and the judge, or evaluates."""


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train together; by default a single one."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def average(self, module: nn.Module) -> None:
        """Replace the gradients of a module by their mean over all processes."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def means(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the means of scalars over all processes."""
        stacked = torch.stack([value.detach().float() for value in values.values()])
        if self.size > 1:
            distributed.all_reduce(stacked)
        return dict(zip(values, (stacked / self.size).tolist(), strict=True))

    def broadcast(self, text: str) -> str:
        """Return the text that the first process passes."""
        texts = [text]
        if self.size > 1:
            distributed.broadcast_object_list(texts)
        return texts[0]

    def wait(self) -> None:
        """Wait until all processes call this."""
        if self.size > 1:
            distributed.barrier()


SINGLE = ProcessGroup()


@contextlib.contextmanager
def joined_group() -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started; without torchrun, yield the group of this process alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield SINGLE
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield ProcessGroup(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
