"""Where answers come from: language models behind one small protocol, recordings, simulations."""

from prosepose_jax.lmm.clients.base import (
    Client,
    ModelSettings,
    Picture,
    Rejected,
    Reply,
    Request,
    Response,
    TryAgain,
    Unreadable,
    Unusable,
)
from prosepose_jax.lmm.clients.opening import (
    CLIENTS,
    KEY_VARIABLES,
    find_key,
    named_url,
    open_client,
    plain_http_warning,
)
from prosepose_jax.lmm.clients.scripted import ScriptedClient

__all__ = [
    "CLIENTS",
    "KEY_VARIABLES",
    "Client",
    "ModelSettings",
    "Picture",
    "Rejected",
    "Reply",
    "Request",
    "Response",
    "ScriptedClient",
    "TryAgain",
    "Unreadable",
    "Unusable",
    "find_key",
    "named_url",
    "open_client",
    "plain_http_warning",
]
