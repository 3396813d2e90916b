"""What changes a log beside appending to it: erasing payloads, pruning records, changing keys.

Each of these is itself a record, and none of them changes what an earlier checkpoint signed.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import Checkpoint, sign_checkpoint, sign_text
from audit.commit import Committer, Limits
from audit.envelope import Writer
from audit.errors import LogCorruptError, LogIncompleteError
from audit.errors_duties import ProtectedRecordError
from audit.merkle import Frontier
from audit.pruning import digest_of_pruned, is_protected
from audit.reader import LogReader, payload_references
from audit.record import SYSTEM, Actor, Event, Record
from audit.runs import setup_lock
from audit.signing import epoch_of
from audit.store import Leaf, PrunedLeaf

_DAY_NS = 86_400 * 1_000_000_000


class LogKeeper(LogReader):
    """The half of `audit.log.Log` that erases, prunes, signs and changes keys."""

    folder: Path
    _committer: Committer
    _limits: Limits

    @abstractmethod
    def _commit(
        self,
        events: Sequence[Event],
        *,
        seal: bool = False,
        also: Callable[[Sequence[Record], Frontier], None] | None = None,
        writer: Writer | None = None,
    ) -> list[Record]:
        """Have events committed; `also` runs in the transaction (see `audit.commit.Ticket`)."""

    @abstractmethod
    def _publish(self, note: str) -> None:
        """Put a fresh checkpoint where it belongs."""

    @abstractmethod
    def append_many(self, events: Sequence[Event], writer: Writer | None = None) -> list[Record]:
        """See `audit.log.Log`."""

    @abstractmethod
    def seal(self) -> str:
        """See `audit.log.Log`."""

    @property
    def origin(self) -> str:
        """The log's name in checkpoints."""
        return self._parts.signing.origin

    def _signer(self) -> Ed25519PrivateKey:
        """The private key in force. Another process may begin a new epoch at any time, and destroy
        the key that this one is about to read: then the next is there."""
        store, signing = self._parts.store, self._parts.signing
        try:
            return signing.signer(store, store.size() + 1)
        except LogIncompleteError:
            return signing.signer(store, store.size() + 1)

    def destroy_payload_keys(self, leaves: Sequence[Leaf]) -> int:
        """Destroy the keys of these records' payloads (`audit.erasure` and `audit.erasing` record
        why); how many of them lived."""
        with self.reading:
            self._require_open()
            return self._parts.keystore.destroy(payload_references(leaves))

    def prune(
        self, seqs: Sequence[int], event: Event, guard: Callable[[], None] | None = None
    ) -> Record:
        """Remove records but for their hashes, and record `event` (`retention.pruned`) with their
        `count`, `first`, `last` and `hashes_sha256` (see `audit.pruning`), in one transaction.

        `guard` runs inside it and may raise AuditError to stop it. Raises ProtectedRecordError for
        records that may never go: of the log's own chain of evidence, or not yet sealed.
        """
        with self.reading:
            self._require_open()
            chosen = [self.leaf(seq) for seq in sorted(set(seqs))]
            newest = self._parts.store.last_checkpoint()
            for leaf in chosen:
                if is_protected(leaf.type) or leaf.seq >= (newest[0] if newest else 0):
                    raise ProtectedRecordError(leaf.seq, leaf.type)
            removed = [PrunedLeaf(leaf.seq, leaf.hash, 0) for leaf in chosen]
            event = replace(event, fields={**event.fields, **digest_of_pruned(removed)})
            # Sealed at once: a verifier believes only a signed record that others were removed.
            record = self._commit([event], seal=True, also=self._pruning(chosen, guard))[0]
            self._parts.keystore.remove(payload_references(chosen))
        return record

    def _pruning(
        self, chosen: Sequence[Leaf], guard: Callable[[], None] | None
    ) -> Callable[[Sequence[Record], Frontier], None]:
        store, keystore = self._parts.store, self._parts.keystore

        def remove(records: Sequence[Record], _: Frontier) -> None:
            if guard is not None:
                guard()
            if store.prune([leaf.seq for leaf in chosen], records[0].seq) != len(chosen):
                raise LogCorruptError(store.path, "another process removed some of these records")
            # Before the records go: a crash in between leaves an erased record, which the next run
            # prunes; after them it would leave a key of which nobody knows any more.
            keystore.destroy(payload_references(chosen))

        return remove

    def sign(self, text: str) -> str:
        """A signed note over `text` under the key in force; see `audit.checkpoint.sign_text`."""
        with self.reading:
            self._require_open()
            return sign_text(text, self.origin, self._signer())

    def rotate_key(self, actor: Actor = SYSTEM) -> Record:
        """Begin the next epoch: a new key, vouched for by the one in force, which is destroyed.

        Records `key.rotated` and `key.destroyed`; see `audit.signing`. Raises AuditError.
        """
        lock = self.folder / "setup.lock"
        with setup_lock(lock, timeout_ms=self._limits.busy_timeout_ms), self.reading:
            self._require_open()
            return self._rotate(actor)

    def _rotate_if_due(self) -> None:
        """Finish a rotation that a crash cut short; begin the next epoch if this one is old."""
        store, limits = self._parts.store, self._limits
        rotations = store.rotations()
        epoch = epoch_of(store.size() + 1, [number for number, _ in rotations])
        self._destroy_outdated(epoch, SYSTEM)
        began = store.leaf(rotations[-1][0]) if rotations else store.leaf(0)
        age = time.time_ns() - began.ts_utc if began else 0
        if limits.rotate_days and age >= limits.rotate_days * _DAY_NS:
            self._rotate(SYSTEM)

    def _rotate(self, actor: Actor) -> Record:
        store, signing = self._parts.store, self._parts.signing
        epoch = epoch_of(store.size() + 1, [number for number, _ in store.rotations()])
        old = signing.signer(store, store.size() + 1)
        new = signing.make_next(epoch + 1)
        event = Event(
            "key.rotated",
            actor,
            {
                "epoch": epoch + 1,
                "verifier_key": new.text(),
                "previous_key": signing.verifier_of(old).text(),
            },
        )
        handover = ""

        def hand_over(records: Sequence[Record], edge: Frontier) -> None:
            nonlocal handover
            self._committer.last_checkpoint(edge.size)
            checkpoint = Checkpoint(self.origin, edge.size, edge.root())
            handover = sign_checkpoint(checkpoint, old)
            store.insert_checkpoint(edge.size, handover)

        record = self._commit([event], also=hand_over)[0]
        self._publish(handover)
        self._destroy_outdated(epoch + 1, actor)
        self.seal()  # under the new key at once, and with it published
        return record

    def _destroy_outdated(self, in_force: int, actor: Actor) -> None:
        gone = self._parts.signing.destroy_outdated(in_force)
        if gone:
            self.append_many([Event("key.destroyed", actor, {"epoch": epoch}) for epoch in gone])
