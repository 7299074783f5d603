"""Building a view anew beside the live one, and letting readers see it when it has caught up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from bridge.eventsourcing.read_models.fold import fold
from bridge.eventsourcing.read_models.model import ReadModel, StepFailed
from bridge.eventsourcing.read_models.views import Build, EventSource, ViewStorage

if TYPE_CHECKING:
    from bridge.eventsourcing.events import DomainEvent

BATCH: Final = 1000
"""Events that are folded, and stored, at once."""
_ATTEMPTS: Final = 20
"""How often readers that hold on to the live table are waited for."""


class Rebuilt(NamedTuple):
    """What a rebuild came to.

    Attributes:
        events: how many were read.
        position: the global sequence of the last one.
    """

    events: int
    position: int


def read_batch(events: EventSource, after: int) -> list[DomainEvent]:
    """Return the next events with a global sequence above ``after``, at most ``BATCH``."""
    return list(islice(events.read_all(after + 1), BATCH))


def rebuild(
    name: str,
    model: ReadModel[Any],
    events: EventSource,
    views: ViewStorage,
    progressed: Callable[[int], None],
) -> Rebuilt:
    """Fold all events into a new build, and let it take the place of the live one.

    Until then readers see the live build, which may go on to follow the events. Whatever goes
    wrong, they still do, and the new build is removed.

    Args:
        name: of the read model.
        model: the read model.
        events: the event store.
        views: where the view is.
        progressed: called with the global sequence that was reached.

    Raises:
        BridgeError: an event cannot be folded; the message says which.
        Superseded: another rebuild has begun.
        Transient: the event store or the view is away.
        EnvironmentProblem: an operator has to act.
    """
    build = views.begin(model.version, events.identity, live=False)
    read, waited, looked_again = 0, 0, False
    try:
        while True:
            batch = read_batch(events, build.position)
            if batch:
                build = _fold_into(name, model, batch, views, build)
                read += len(batch)
                looked_again = False
                progressed(build.position)
                continue
            try:
                if views.swap(build, even_if_behind=looked_again):
                    return Rebuilt(read, build.position)
                looked_again = True  # should there be nothing more, the events are others now
            except Transient:
                waited += 1
                if waited >= _ATTEMPTS:
                    raise
    except BaseException:
        _discard(views, build)
        raise


def _fold_into(
    name: str,
    model: ReadModel[Any],
    batch: Sequence[DomainEvent],
    views: ViewStorage,
    build: Build,
) -> Build:
    def refuse(event: DomainEvent, failure: StepFailed) -> None:
        raise BridgeError(
            f"The rebuild of {name!r} stops at event {event.global_sequence} (event_id "
            f"{event.event_id}), a {event.event_type} of version {event.version}: {failure}.",
            remedy="Correct the read model and begin again; the live view was left as it was.",
        ) from failure

    changes = fold(model, batch, lambda keys: views.rows(build, keys), refuse)
    return views.commit(build, batch[-1].global_sequence, changes, ())


def _discard(views: ViewStorage, build: Build) -> None:
    try:
        views.discard(build)
    except (Transient, EnvironmentProblem):
        return  # the next rebuild removes it
