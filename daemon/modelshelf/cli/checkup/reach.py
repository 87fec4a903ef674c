"""Civitai: whether it can be reached, and what it thinks of the key. One question, with the settings of the daemon."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from modelshelf.civitai.asking import Asker
from modelshelf.civitai.settings import BreakerSettings, CacheSettings
from modelshelf.civitai.vitals import CIVITAI_STANDING, from_json
from modelshelf.cli.checkup.finding import Finding, Level
from modelshelf.cli.status import civitai_texts
from modelshelf.domain.display import readable
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, ModelshelfError
from modelshelf.settings import client_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.civitai.settings import ClientSettings
    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient
    from modelshelf.config import Config

QUESTION_SECONDS = 8.0
NEW_KEY = "make a new key at civitai.com/user/account, or leave it out"
NOT_HERE = "see its words; name a mirror (api.base_url) or a proxy where it is allowed"

_WHO = "me"
"""The one endpoint that refuses a wrong key: elsewhere such a key is no key, without a word."""

_ANYTHING = "models"


def civitai(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Ask Civitai once. The key is shown to it alone, and never told."""
    yield from _said_by_daemon(patient)
    config = patient.config
    if config is None:
        return
    if config.is_offline:
        yield Finding("civitai", Level.OK, "not asked: offline by configuration")
        return
    yield _asked(config, patient)


def _asked(config: Config, patient: Patient) -> Finding:
    settings = replace(
        client_settings(config),
        timeout_seconds=QUESTION_SECONDS,
        deadline_seconds=QUESTION_SECONDS,
        breaker=BreakerSettings(failure_threshold=2),
        cache=CacheSettings(),
    )
    host = readable(urlsplit(settings.base_url).hostname or settings.base_url)
    asker = Asker(settings, patient.clock)
    try:
        known = asker.ask(_WHO) if settings.key else asker.ask(_ANYTHING, parameters={"limit": "1"})
    except CivitaiForbids as error:
        is_about_key = settings.key is not None and " 401" in str(error)
        return Finding("civitai", Level.WRONG, str(error), NEW_KEY if is_about_key else NOT_HERE)
    except CivitaiRateLimited as error:
        return Finding("civitai", Level.WARNING, str(error), "wait; lower api.batch.rate_limit")
    except ModelshelfError as error:
        return Finding("civitai", Level.WRONG, str(error), _why(settings, str(error)))
    finally:
        asker.close()
    if settings.key is None:
        return Finding("civitai", Level.OK, f"{host} answers; there is no key")
    told = "takes the key" if known is not None else "answers; whether it takes the key it does not say"
    return Finding("civitai", Level.OK, f"{host} {told}")


def _why(settings: ClientSettings, said: str) -> str:
    """Say which link of the chain is broken, as far as that can be told from here."""
    if " answered " in said:
        return (
            "it, or Cloudflare before it, is in trouble: wait; if it lasts, set api.user_agent, or ask with a browser"
        )
    if any(get_environ_proxies(settings.base_url).values()):
        return "see the proxy of this environment (HTTPS_PROXY), and whether the service has the same one"
    host = urlsplit(settings.base_url).hostname or ""
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return f"this machine finds no address for {readable(host)}: see DNS (resolvectl query {readable(host)})"
    return "see the network and the firewall, and that api.base_url is right"


def _said_by_daemon(patient: Patient) -> Iterator[Finding]:
    if patient.pid is None:
        return
    with patient.store() as store:
        vitals = from_json(store.standing.get(CIVITAI_STANDING)) if store is not None else None
    for text in civitai_texts(vitals, patient.clock.now()):
        yield Finding("civitai", Level.WARNING, f"the daemon: {text}", "mend that, then: modelshelf retry --kind api")
