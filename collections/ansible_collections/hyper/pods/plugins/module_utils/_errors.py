# SPDX-License-Identifier: GPL-3.0-or-later
"""The one base of every failure that a user can meet.

Each kind of failure is a small subclass, defined and raised where it is known. Modules turn it into ``fail_json`` at
their edge (``_module.run``) and nowhere else.
"""

from __future__ import annotations


class HyperError(Exception):
    """What was wrong, where, and what to do about it.

    message: one sentence, lower case, no full stop: ``image nosuch:1 not found``.
    where: a field path, a file or a host; put in front of the message.
    remedy: the next step for the user, a full sentence.
    """

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}. {self.remedy}" if self.remedy else text
