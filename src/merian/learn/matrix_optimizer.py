"""A torch optimizer that preconditions matrices by one method, and steps the rest with AdamW.

This class only marshals: it sorts parameters, cuts them into blocks, keeps the state of equal
blocks together and writes the updates. What a block's state is, and the direction of a step, is
said by the method that inherits it (`KLShampoo`, `SOAP`, `Shampoo`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from merian.errors import InputError
from merian.learn import owners
from merian.learn.adamw import adamw_step
from merian.learn.blocks import Cut, cut
from merian.learn.parameters import is_matrix
from merian.learn.precision import fitted, narrow_, new_rest, widen
from merian.learn.slabs import Member, Slab

__all__ = ["MatrixOptimizer", "Options", "State", "chosen"]

State = dict[str, Tensor]
Options = dict[str, Any]

KINDS = ("auto", "matrix", "adamw")
COUNTS = {"step", "began"}  # counted on the CPU, wherever the parameter lies
NUMBERS_AT_ONCE = 2**23  # of parameters in one batch: bounds what a step holds on the way


class MatrixOptimizer(torch.optim.Optimizer):
    """What every method of preconditioning matrices shares.

    A method says `_layout`, `_begin` and `_advance`; the rest is here.
    """

    _loading: Any = None

    def __init__(self, params: Iterable[Any], options: Options) -> None:
        self._slabs: dict[int, list[Slab]] = {}
        self._owners: dict[Tensor, int] = {}
        self._alone = not options.pop("owners", True)
        super().__init__(params, {**options, "steps": 0})

    # What a method says.

    def _layout(self, plan: Cut, group: Options) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor of one block's state."""
        raise NotImplementedError

    def _begin(self, state: State, gradient: Tensor, group: Options) -> bool:
        """Fill the state of new blocks; say whether their first gradient takes a step too."""
        raise NotImplementedError

    def _advance(self, state: State, gradient: Tensor, step: int, group: Options) -> Tensor:
        """Let a gradient enter the state of blocks, and return the direction of their step."""
        raise NotImplementedError

    # What torch asks of an optimizer.

    def add_param_group(self, param_group: Options) -> None:
        """Add parameters, as torch's own optimizers do; refuse what cannot be stepped."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            self._check(group)
        except InputError:
            self.param_groups.pop()
            raise
        rate = float(group["lr"])
        own = group["adam_lr"]
        group.setdefault("adam_scale", 1.0 if own is None or not rate else float(own) / rate)

    def __setstate__(self, state: dict[str, Any]) -> None:
        if self._loading is not None:
            self._uncast(state)
        super().__setstate__(state)
        self._slabs, self._owners = {}, {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_alone": self._alone}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a saved state; its tensors keep their types, where torch would change them.

        The parameters may have become of another type since: what hangs on it is made to fit.
        """

        def see(_: Any, final: dict[str, Any]) -> None:
            self._check_saved(final)
            self._loading = final

        hook = self.register_load_state_dict_pre_hook(see)
        try:
            super().load_state_dict(state_dict)
        finally:
            hook.remove()
            self._loading = None
        self._share_out()
        for parameter in list(self.state):
            if not self._mine(parameter):
                del self.state[parameter]

    def full_state_dict(self, *, everywhere: bool = False) -> dict[str, Any]:
        """Return the state of all parameters, on whichever process it lies; all must call this.

        Any number of processes can load it, each what it owns. It is whole on the first process,
        and on the others only if it is to be everywhere.
        """
        saved = self.state_dict()
        if not self._owners:
            return saved
        parameters = [p for group in self.param_groups for p in group["params"]]
        devices = {number: p.device for number, p in enumerate(parameters)}
        whole = owners.gather_state(saved["state"], devices, everywhere=everywhere)
        return {**saved, "state": whole}

    def _uncast(self, state: dict[str, Any]) -> None:
        """Put what was saved in the place of what torch made of it."""
        groups = self._loading["param_groups"]
        saved = [index for group in groups for index in group["params"]]
        now = [parameter for group in state["param_groups"] for parameter in group["params"]]
        places = dict(zip(saved, now, strict=True))
        for index, values in self._loading["state"].items():
            parameter = places[index]
            state["state"][parameter] = fitted(
                {
                    key: value.to("cpu" if key in COUNTS else parameter.device, copy=True)
                    for key, value in values.items()
                },
                parameter,
            )

    def _check_saved(self, final: dict[str, Any]) -> None:
        """Refuse a state whose groups lack options of ours."""
        for group in final["param_groups"]:
            missing = [name for name in self.defaults if name not in group]
            if missing:
                raise InputError(
                    f"the saved state has no {', '.join(missing)}: it was saved by another "
                    f"optimizer than {type(self).__name__}"
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; return what the closure says where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._share_out()
        for index, group in enumerate(self.param_groups):
            matrices, rest = self._sorted(group)
            adamw_step(rest, self.state, group)
            self._open(index, matrices)
            self._step_matrices(index, matrices)
            group["steps"] += 1
        if self._owners:
            owners.send_weights([p for p in self._owners if p.grad is not None], self._owners)
        return loss

    # The work.

    def _check(self, group: Options) -> None:
        if group["kind"] not in KINDS:
            raise InputError(
                f"kind is {group['kind']!r}; a group of parameters is one of {', '.join(KINDS)}"
            )
        if group["refresh"] < 1:
            raise InputError(f"refresh is {group['refresh']}; it counts steps and is at least 1")
        for name in ("betas", "adam_betas"):
            if not all(0 <= beta < 1 for beta in group[name]) or len(group[name]) != 2:
                raise InputError(f"{name} is {group[name]}; expected two numbers in [0, 1)")
        for name in ("lr", "eps", "adam_eps", "weight_decay", "block", "largest"):
            if not group[name] >= 0:
                raise InputError(f"{name} is {group[name]}; it cannot be below 0")
        for number, parameter in enumerate(group["params"]):
            if not parameter.dtype.is_floating_point:
                kind = str(parameter.dtype).removeprefix("torch.")
                raise InputError(
                    f"{_name(group, number)} is {kind}; only real floating numbers can be stepped"
                )

    def _sorted(self, group: Options) -> tuple[list[Tensor], list[Tensor]]:
        """The group's parameters that have a gradient: matrices, and the rest."""
        matrices: list[Tensor] = []
        rest: list[Tensor] = []
        for number, parameter in enumerate(group["params"]):
            if parameter.grad is None or not self._mine(parameter):
                continue
            if parameter.grad.layout != torch.strided:
                raise InputError(
                    f"the gradient of {_name(group, number)} is sparse; make it dense "
                    "(sparse=False in an embedding), or step it with torch.optim.SparseAdam"
                )
            chosen = matrices if _preconditioned(group, number) else rest
            chosen.append(parameter)
        return matrices, rest

    def _share_out(self) -> None:
        """Give every parameter an owner, where many processes train together."""
        if self._alone or owners.size() == 1:
            self._owners = {}
        elif len(self._owners) != sum(len(group["params"]) for group in self.param_groups):
            costs = [
                [
                    _plan(p, group).cost if _preconditioned(group, number) else p.numel()
                    for number, p in enumerate(group["params"])
                ]
                for group in self.param_groups
            ]
            ranks = owners.share_out(costs, owners.size())
            for group, found in zip(self.param_groups, ranks, strict=True):
                self._owners.update(zip(group["params"], found, strict=True))

    def _mine(self, parameter: Tensor) -> bool:
        return not self._owners or self._owners[parameter] == owners.rank()

    def _open(self, index: int, matrices: list[Tensor]) -> None:
        """See that the state of every matrix lies in a slab: make it, or take it in."""
        group = self.param_groups[index]
        slabs = [slab for slab in self._slabs.get(index, []) if slab.holds(self.state)]
        held = {member.parameter for slab in slabs for member in slab.members}
        new = [p for p in matrices if not self.state[p]]
        for parameter in new:
            values = self.state[parameter]
            values["step"] = torch.zeros((), dtype=torch.float32)
            values["began"] = torch.tensor(float(group["steps"]))
            rest = new_rest(parameter)
            if rest is not None:
                values["rest"] = rest
        loose: dict[Any, list[tuple[Tensor, Cut]]] = {}
        for number, parameter in enumerate(group["params"]):
            if parameter in held or not self.state.get(parameter):
                continue
            if _preconditioned(group, number):
                plan = _plan(parameter, group)
                # Those that began together stay together, so that a resumed run is bit-equal.
                key = (
                    float(self.state[parameter]["began"]),
                    parameter.device,
                    plan.block,
                    plan.factored,
                )
                loose.setdefault(key, []).append((parameter, plan))
        for members in loose.values():
            slab = Slab(members, self._layout(members[0][1], group))
            for member in slab.members:
                self._move_in(member)
            slabs.append(slab)
        self._slabs[index] = slabs

    def _move_in(self, member: Member) -> None:
        """Copy a parameter's state into its slab, where it has any, and show the slab's instead."""
        values = self.state[member.parameter]
        missing = [key for key in member.views if key not in values]
        if 0 < len(missing) < len(member.views):
            raise InputError(
                f"the saved state of a parameter of shape {tuple(member.parameter.shape)} has no "
                f"{', '.join(missing)}: it was saved by another optimizer"
            )
        for key, view in member.views.items():
            if key in values:
                if values[key].shape != view.shape:
                    raise InputError(
                        f"{key} of a parameter of shape {tuple(member.parameter.shape)} has the "
                        f"shape {tuple(values[key].shape)} in the saved state, expected "
                        f"{tuple(view.shape)}: it was saved for another model or optimizer"
                    )
                view.copy_(values[key])
            values[key] = view

    def _step_matrices(self, index: int, matrices: list[Tensor]) -> None:
        group = self.param_groups[index]
        fresh = {p for p in matrices if self.state[p]["began"] == group["steps"]}
        marks = {p: (p in fresh, int(self.state[p]["step"])) for p in matrices}
        for slab in self._slabs[index]:
            for run in slab.runs(marks, NUMBERS_AT_ONCE):
                is_new, step = marks[run[0].parameter]
                state = slab.part(run)
                gradient = self._gather(run, group)
                if is_new and not self._begin(state, gradient, group):
                    continue
                direction = self._advance(state, gradient, step + 1, group)
                self._write(run, direction, group)

    def _gather(self, run: list[Member], group: Options) -> Tensor:
        """The gradients of neighbours as float32 blocks."""
        first, last = run[0], run[-1]
        gradient = torch.empty(
            (last.stop - first.start, *first.cut.block),
            dtype=torch.float32,
            device=first.parameter.device,
        )
        for member in run:
            assert member.parameter.grad is not None
            place = slice(member.start - first.start, member.stop - first.start)
            member.cut.split(member.parameter.grad, gradient[place])
        return gradient.neg_() if group["maximize"] else gradient

    def _write(self, run: list[Member], direction: Tensor, group: Options) -> None:
        """Step the weights, then let them decay: W - lr U, times 1 - lr decay."""
        rate = float(group["lr"])
        start = run[0].start
        states = [self.state[member.parameter] for member in run]
        weights = [
            widen(member.parameter, values.get("rest"))
            for member, values in zip(run, states, strict=True)
        ]
        moves = [
            member.cut.join(direction[member.start - start : member.stop - start]).to(weight.dtype)
            for member, weight in zip(run, weights, strict=True)
        ]
        torch._foreach_add_(weights, moves, alpha=-rate)
        if group["weight_decay"]:
            torch._foreach_mul_(weights, 1 - rate * group["weight_decay"])
        for member, values, weight in zip(run, states, weights, strict=True):
            narrow_(member.parameter, values.get("rest"), weight)
            values["step"] += 1


def chosen(arguments: dict[str, Any]) -> Options:
    """Return the options among the arguments of a method's constructor."""
    return {k: v for k, v in arguments.items() if k not in {"self", "params", "__class__"}}


def _name(group: Options, number: int) -> str:
    """What to call a parameter in an error."""
    names = group.get("param_names")
    shape = tuple(group["params"][number].shape)
    return f"the parameter {names[number]}" if names else f"a parameter of shape {shape}"


def _preconditioned(group: Options, number: int) -> bool:
    """Whether a parameter of a group is stepped by the method, not by AdamW."""
    shape = tuple(group["params"][number].shape)
    sides = shape[1:] if group["stacked"] else shape
    if group["kind"] == "adamw" or sum(side > 1 for side in sides) < 2:
        return False
    names = group.get("param_names")
    return group["kind"] == "matrix" or is_matrix(names[number] if names else None, shape)


def _plan(parameter: Tensor, group: Options) -> Cut:
    return cut(
        tuple(parameter.shape),
        block=group["block"],
        largest=group["largest"],
        stacked=group["stacked"],
        flat=group["flat"],
        square=group.get("square", False),
    )
