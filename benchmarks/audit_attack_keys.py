"""Attacks with signing keys, on the order of the epochs, and on the end of the log.

Among them CVE-2023-31439 (a key of the future signs what is past), CVE-2023-31438 (cut off the end
and let the writer go on), rollback, forks, and a whole log under a key of the attacker's own.
"""

from __future__ import annotations

import base64
import shutil

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import Checkpoint, VerifierKey, sign_checkpoint
from audit.closed import closed_path
from audit.errors import AuditError
from audit.keys import read_verifier_keys
from audit.record import Event
from benchmarks.audit_attack_base import ANN
from benchmarks.audit_attack_history import (
    Item,
    Repair,
    change_rows,
    close_again,
    read_history,
    rewrite,
    unseal,
)
from benchmarks.audit_attackers import (
    FILES,
    KEY,
    OLD_KEY,
    Scene,
    UnfitError,
    attack,
    forged,
    opened,
)

# -- keys of another epoch -------------------------------------------------------------------------


def _resigned(scene: Scene, note: str, key: Ed25519PrivateKey) -> str:
    _, size, root = note.split("\n")[:3]
    checkpoint = Checkpoint(scene.keys[0].name, int(size), base64.b64decode(root))
    return sign_checkpoint(checkpoint, key)


def _sealed_by(scene: Scene, current: bool) -> list[tuple[int, str]]:
    """The checkpoints that the key in force signed, or those of the keys before it."""
    key_id = scene.keys[0].key_id if scene.base.epochs == 1 else None
    newest = VerifierKey(scene.keys[0].name, scene.key().public_key().public_bytes_raw()).key_id
    found = [
        (size, note)
        for size, note in scene.base.notes
        if (base64.b64decode(note.rstrip("\n").rsplit(" ", 1)[1])[:4] == newest) is current
    ]
    if key_id is not None or not found:
        raise UnfitError
    return found


@attack("future key signs a stored checkpoint (CVE-2023-31439)", KEY)
def _future_stored(scene: Scene) -> None:
    size, note = scene.numbers.choice(_sealed_by(scene, current=False))
    forged = _resigned(scene, note, scene.key())
    change_rows(scene.folder, ("UPDATE checkpoint SET note = ? WHERE size = ?", (forged, size)))
    close_again(scene.folder, scene.key())


@attack("future key signs a checkpoint that is handed over (CVE-2023-31439)", KEY)
def _future_given(scene: Scene) -> None:
    _, note = scene.numbers.choice(_sealed_by(scene, current=False))
    scene.notes.append(_resigned(scene, note, scene.key()))


@attack("old key signs a later checkpoint", OLD_KEY)
def _past_stored(scene: Scene) -> None:
    size, note = scene.numbers.choice(_sealed_by(scene, current=True))
    forged = _resigned(scene, note, scene.numbers.choice(list(scene.old_keys().values())))
    if scene.numbers.random() < 0.5:
        scene.notes.append(forged)
        return
    change_rows(scene.folder, ("UPDATE checkpoint SET note = ? WHERE size = ?", (forged, size)))
    closed_path(scene.folder).unlink(missing_ok=True)


# -- epochs forged, moved, removed -----------------------------------------------------------------


def _rotation(items: list[Item]) -> int:
    places = [place for place, item in enumerate(items) if item.type == "key.rotated"]
    if not places:
        raise UnfitError
    return places[-1]


def _own(scene: Scene) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(scene.numbers.randbytes(32))


def _named(scene: Scene, key: Ed25519PrivateKey) -> str:
    return VerifierKey(scene.keys[0].name, key.public_key().public_bytes_raw()).text()


@attack("rotation forged, to a key of the attacker's own", KEY)
def _forged_rotation(scene: Scene) -> None:
    items = read_history(scene.folder)
    own, before = _own(scene), scene.key()
    place = scene.target(lambda item: item.envelope is not None and item.seq > 0, items)
    epoch = 2 + sum(item.type == "key.rotated" for item in items[:place])
    made = forged(
        items[place],
        "key.rotated",
        epoch=epoch,
        verifier_key=_named(scene, own),
        previous_key=_named(scene, before),
    )
    made.note = "to be signed"
    items.insert(place, made)
    keys = dict.fromkeys(range(epoch, epoch + 9), own)
    rewrite(scene.folder, items, Repair(keys={epoch - 1: before, **keys}, any_key=before))
    pub = scene.folder / "keys" / f"epoch-{epoch}.pub"
    pub.write_text(f"{_named(scene, own)}\n", encoding="utf-8")


@attack("rotation's key replaced by the attacker's own", KEY)
def _replaced_rotation(scene: Scene) -> None:
    items = read_history(scene.folder)
    own = _own(scene)
    place = _rotation(items)
    if place >= scene.anchor[0]:
        raise UnfitError
    items[place].fields()["verifier_key"] = _named(scene, own)
    rewrite(scene.folder, items, Repair(keys={scene.base.epochs: own}, any_key=scene.key()))


@attack("rotation removed, all signed with the key before", OLD_KEY)
def _no_rotation(scene: Scene) -> None:
    items = read_history(scene.folder)
    place = _rotation(items)
    if place >= scene.anchor[0]:
        raise UnfitError
    keys = scene.old_keys()
    del items[place]
    rewrite(scene.folder, items, Repair(keys=keys))


@attack("rewritten from an old epoch on, with rotations of the attacker's own", OLD_KEY)
def _rewritten_from_old(scene: Scene) -> None:
    """Who kept the first key signs another history from there on, later epochs included."""
    items = read_history(scene.folder)
    keys, own = scene.old_keys(), _own(scene)
    place = scene.target(lambda item: item.type == "question.received", items)
    items[place].fields()["number"] = -1
    keys[scene.base.epochs] = own
    rotation = _rotation(items)
    items[rotation].fields()["verifier_key"] = _named(scene, own)
    rewrite(scene.folder, items, Repair(keys=keys))


@attack("handover checkpoint removed")
def _no_handover(scene: Scene) -> None:
    rotation = _rotation(read_history(scene.folder))
    change_rows(scene.folder, ("DELETE FROM checkpoint WHERE size = ?", (rotation + 1,)))
    closed_path(scene.folder).unlink(missing_ok=True)


@attack("handover checkpoint signed by the new key", KEY)
def _handover_by_new(scene: Scene) -> None:
    items = read_history(scene.folder)
    rotation = _rotation(items)
    forged = _resigned(scene, items[rotation].note, scene.key())
    change_rows(
        scene.folder, ("UPDATE checkpoint SET note = ? WHERE size = ?", (forged, rotation + 1))
    )
    closed_path(scene.folder).unlink(missing_ok=True)


@attack("public keys in the folder replaced")
def _replaced_public(scene: Scene) -> None:
    """Here the verifier is given the keys of the folder, as a careless one would."""
    keys = scene.folder / "keys"
    chosen = scene.numbers.choice(sorted(keys.glob("*.pub")))
    chosen.write_text(f"{_named(scene, _own(scene))}\n", encoding="utf-8")
    scene.keys[:] = read_verifier_keys(keys)


@attack("the whole log rewritten under the attacker's own key")
def _all_own(scene: Scene) -> None:
    items = read_history(scene.folder)
    own = _own(scene)
    items[0].fields()["verifier_key"] = _named(scene, own)
    items = [item for item in items if item.type != "key.rotated"]
    unseal(items, 1)
    items[-1].note = "to be signed"
    rewrite(scene.folder, items, Repair(any_key=own))
    for path in (scene.folder / "keys").iterdir():
        path.unlink()
    pub = scene.folder / "keys" / "epoch-1.pub"
    pub.write_text(f"{_named(scene, own)}\n", encoding="utf-8")
    close_again(scene.folder, own)


# -- the end of the log ----------------------------------------------------------------------------


def cut(scene: Scene, items: list[Item], size: int) -> None:
    """Leave the first `size` records, and of what was pruned only what they account for."""
    del items[size:]
    kept = {id(item) for item in items}
    if any(item.pruned_by is not None and id(item.pruned_by) not in kept for item in items):
        raise UnfitError  # what was pruned later cannot be brought back
    rewrite(scene.folder, items, Repair())


def _smaller(scene: Scene) -> list[int]:
    sizes = [size for size, _ in scene.base.notes if size < scene.anchor[0]]
    if not sizes:
        raise UnfitError
    return sizes


@attack("truncated to a checkpoint")
def _truncated(scene: Scene) -> None:
    cut(scene, read_history(scene.folder), scene.numbers.choice(_smaller(scene)))


@attack("truncated anywhere")
def _truncated_anywhere(scene: Scene) -> None:
    cut(scene, read_history(scene.folder), scene.numbers.randrange(1, scene.anchor[0]))


@attack("truncated anywhere and sealed again", KEY)
def _truncated_sealed(scene: Scene) -> None:
    items = read_history(scene.folder)
    size = scene.numbers.randrange(1, scene.anchor[0])
    items[size - 1].note = items[size - 1].note or "to be signed"
    cut(scene, items, size)
    items = read_history(scene.folder)
    repair = Repair(keys={scene.base.epochs: scene.key()}, any_key=scene.key())
    rewrite(scene.folder, items, repair)


@attack("truncated, then the writer goes on (CVE-2023-31438)", KEY)
def _resumed(scene: Scene) -> None:
    cut(scene, read_history(scene.folder), scene.numbers.choice(_smaller(scene)))
    scene.resume()
    if scene.numbers.random() < 0.5:
        scene.resume()


@attack("emptied", FILES)
def _emptied(scene: Scene) -> None:
    cut(scene, read_history(scene.folder), scene.numbers.choice((0, 1)))


def _older(scene: Scene) -> None:
    scene.replace_with(scene.base.earlier)
    if len(read_history(scene.folder)) >= scene.anchor[0]:
        raise UnfitError


@attack("rolled back to an older copy")
def _rolled_back(scene: Scene) -> None:
    _older(scene)


@attack("rolled back to an older copy, then the writer goes on", KEY)
def _rolled_back_resumed(scene: Scene) -> None:
    _older(scene)
    scene.resume()


@attack("fork: the history shown to another auditor", KEY)
def _fork(scene: Scene) -> None:
    """The auditor's checkpoint is of one history, the log of another with the same beginning."""
    texts = []
    start = scene.folder.with_name("start")
    shutil.copytree(scene.folder, start)
    for number in (1, 2):
        scene.replace_with(start)
        try:
            with opened(scene.folder) as log:
                count = scene.numbers.randint(1, 20)
                log.append_many([Event("step.done", ANN, {"side": number})] * count)
                texts.append(log.seal())
        except AuditError as error:
            raise UnfitError from error
    scene.anchor = (int(texts[0].split("\n")[1]), texts[0])
