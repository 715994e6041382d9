"""Makes schedules.json: the learning rates of PyTorch's schedulers, step by step.

    pip install torch
    python make_schedules.py

Each case has the schedule as `nn::Schedule` is written in JSON, the rates PyTorch gives, and for plateaus the
losses it was told.
"""

import json
import math

import torch
from torch.optim import lr_scheduler as s


def optimizer(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates(opt, scheduler, steps, per_epoch, each_epoch):
    out = []
    for step in range(steps):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        if not each_epoch or (step + 1) % per_epoch == 0:
            scheduler.step()
    return out


def case(schedule, lr, steps, per_epoch, make, each_epoch=False, warm=0, start=0.01):
    opt = optimizer(lr)
    if warm:
        linear = s.LinearLR(opt, start_factor=start, end_factor=1.0, total_iters=warm)
        scheduler = s.SequentialLR(opt, [linear, make(opt, steps - warm)], milestones=[warm])
    else:
        scheduler = make(opt, steps)
    return {
        "schedule": schedule,
        "lr": lr,
        "warm_up": {"steps": warm, "start": start},
        "steps_per_epoch": per_epoch,
        "rates": rates(opt, scheduler, steps, per_epoch, each_epoch),
    }


def plateau(lr, losses, factor, patience, threshold, cooldown, minimum):
    opt = optimizer(lr)
    scheduler = s.ReduceLROnPlateau(
        opt, factor=factor, patience=patience, threshold=threshold, cooldown=cooldown, min_lr=minimum
    )
    out = []
    for loss in losses:
        opt.step()
        scheduler.step(loss)
        out.append(opt.param_groups[0]["lr"])
    schedule = {"name": "plateau", "factor": factor, "patience": patience, "threshold": threshold,
                "cooldown": cooldown, "min": minimum}
    return {"schedule": schedule, "lr": lr, "losses": losses, "rates": out}


def cosine(minimum):
    return lambda opt, total: s.CosineAnnealingLR(opt, total, eta_min=minimum)


def one_cycle(lr, rise, div, final_div):
    return lambda opt, total: s.OneCycleLR(
        opt, max_lr=lr, total_steps=total, pct_start=rise, div_factor=div,
        final_div_factor=final_div, cycle_momentum=False,
    )


cases = [
    case({"name": "constant"}, 0.1, 20, 5, lambda o, t: s.ConstantLR(o, 1.0, 1)),
    case({"name": "step", "every": 2, "gamma": 0.5}, 0.01, 40, 5,
         lambda o, t: s.StepLR(o, 2, 0.5), each_epoch=True),
    case({"name": "step", "every": 3, "gamma": 0.1}, 1e-3, 66, 6,
         lambda o, t: s.StepLR(o, 3, 0.1), each_epoch=True),
    case({"name": "cosine", "min": 0.0}, 1e-3, 50, 10, cosine(0.0)),
    case({"name": "cosine", "min": 1e-5}, 3e-3, 33, 11, cosine(1e-5)),
    case({"name": "cosine", "min": 1e-6}, 1e-3, 60, 10, cosine(1e-6), warm=12, start=0.1),
    case({"name": "constant"}, 1e-3, 30, 10, lambda o, t: s.ConstantLR(o, 1.0, 1), warm=7, start=0.25),
    case({"name": "one-cycle", "rise": 0.3, "div": 25.0, "final_div": 1e4}, 1e-2, 50, 10,
         one_cycle(1e-2, 0.3, 25.0, 1e4)),
    case({"name": "one-cycle", "rise": 0.45, "div": 10.0, "final_div": 100.0}, 3e-3, 77, 11,
         one_cycle(3e-3, 0.45, 10.0, 100.0)),
    case({"name": "exponential", "last": 10.0}, 1e-7, 100, 100,
         lambda o, t: s.ExponentialLR(o, (10.0 / 1e-7) ** (1 / (t - 1)))),
]
falling = [1.0, 0.8, 0.79, 0.7899999, 0.81, 0.8, 0.82, 0.79, 0.83, 0.5, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56]
bumpy = [1.0 + 0.3 * math.sin(0.9 * i) / (1 + i) for i in range(30)]
plateaus = [
    plateau(1e-2, falling, 0.1, 2, 1e-4, 0, 0.0),
    plateau(1e-2, falling, 0.5, 0, 1e-2, 1, 1e-3),
    plateau(1e-3, bumpy, 0.3, 1, 1e-4, 2, 1e-5),
]
with open("schedules.json", "w") as f:
    lines = lambda list_: ",\n".join(json.dumps(c) for c in list_)
    f.write(f'{{"torch": "{torch.__version__}",\n"cases": [\n{lines(cases)}\n],\n')
    f.write(f'"plateaus": [\n{lines(plateaus)}\n]}}\n')
