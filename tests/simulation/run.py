"""One simulation: a seed, a world, two services, so many steps; after each, every promise holds."""

from random import Random

from simulation.stage import Report, on_stage
from world import World

# What a failure tells of what led to it.
STORY_LINES = 60


class SimulationFailed(AssertionError):
    """A promise is broken. The message says by what, and how to see it again."""

    def __init__(
        self, seed: int, step: int, steps: int, stage_story: list[str], why: object
    ) -> None:
        self.step = step
        told = "\n".join(stage_story[-STORY_LINES:])
        super().__init__(
            f"seed {seed}, step {step} of {steps}: {why}\n\n{told}\n\n"
            f"Again: make simulate SEED={seed} STEPS={steps}"
        )


async def simulate(world: World, seed: int, steps: int) -> Report:
    """Run it, and say what it went through.

    Raises:
        SimulationFailed: With the seed, the step and what led there.
    """
    luck = Random(seed)  # noqa: S311 - luck that can be had again, and no secret
    story: list[str] = []
    step = 0
    try:
        # Every other world goes without the chore that ends holds: they expire all the same.
        async with on_stage(world, story, is_swept=seed % 2 == 0) as stage:
            for step in range(1, steps + 1):
                # Each step has luck of its own: how a race ends does not change all that follows.
                own = Random(luck.getrandbits(64))  # noqa: S311 - as above
                await stage.step(step, own)
            await stage.end()
    except Exception as error:
        raise SimulationFailed(seed, step, steps, story, error) from error
    return stage.report
