"""Network rules for outgoing requests: the allowed hosts, and the addresses that are refused."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

import httpx

from dunning_service.errors import ConfigurationError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host, the best first; raises OSError when there are none."""

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_NOT_HOSTS_IPV6 = tuple(
    ipaddress.ip_network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
"""Within 2000::/3: protocol assignments, documentation, and 6to4, which would hide an IPv4 address."""
_NOT_HOSTS_IPV4 = tuple(ipaddress.ip_network(block) for block in ("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24"))
"""This network, protocol assignments, and the 6to4 relays."""

_METADATA = tuple(ipaddress.ip_address(address) for address in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16"))
"""Metadata services that are not at a link-local address: of AWS over IPv6, of Alibaba Cloud, of Azure."""


class AddressRefused(Exception):
    """The error for an address that must not be connected to; nothing has been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRules:
    """The hosts, schemes and addresses that the operator allows.

    An entry of `hosts` is a host, for the scheme's own port, or `host:port`.
    """

    hosts: Sequence[str] = ()
    allow_http: bool = False
    """Plain HTTP as well: for a demonstration, or inside a network that encrypts by itself."""
    allow_private_addresses: bool = False
    """Loopback and private addresses too. Link-local, multicast and reserved ones never: cloud metadata is there."""
    timeout_seconds: float = 30.0
    """How long one question may take altogether, from the name's resolution to the last byte."""

    def __post_init__(self) -> None:
        """Raises ConfigurationError for an entry that is no host."""
        _allowed(self.hosts, 0)


def allowed_url(url: str, rules: NetworkRules) -> str:
    """A URL that the rules allow, without a slash at its end.

    Raises ConfigurationError saying what is wrong with it, or that the operator has not allowed it.
    """
    try:
        parsed = httpx.URL(url.strip())
        host, scheme = _ascii_host(parsed), parsed.scheme
    except (httpx.InvalidURL, UnicodeError):
        host = ""
    if not host or scheme not in _DEFAULT_PORTS:
        raise ConfigurationError(f"{_shown(url)} is not a URL such as https://billing.example.com/charges")
    if parsed.userinfo:
        raise ConfigurationError("the charging endpoint's URL must hold no user name or password; requests are signed")
    if parsed.query or parsed.fragment or "?" in url or "#" in url:
        raise ConfigurationError("the charging endpoint's URL must end with its path: the key is appended to look up")
    if scheme == "http" and not rules.allow_http:
        raise ConfigurationError(
            f"{_shown(url)} is not encrypted: use https, or set DUNNING_GATEWAY_ALLOW_HTTP=true for a demonstration"
        )
    problem = _problem_of(host, rules) if _is_address(host) else None
    if problem is not None:
        raise ConfigurationError(f"the charging endpoint {_shown(url)} is at {problem}")
    port = parsed.port or _DEFAULT_PORTS[scheme]
    if (host, port) not in _allowed(rules.hosts, _DEFAULT_PORTS[scheme]):
        entry = host if port == _DEFAULT_PORTS[scheme] else f"{_bracketed(host)}:{port}"
        raise ConfigurationError(f"the operator has not allowed to charge at {entry}: add it to DUNNING_GATEWAY_HOSTS")
    return str(parsed.copy_with(host=host)).rstrip("/")


def address_problem(address: str, allow_private: bool = False) -> str | None:
    """Why a connection to this address is refused; None when it is not.

    Judged is where packets would end up: an IPv4 address wrapped into IPv6 is judged as itself.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    if ip in _METADATA:
        return "where a cloud keeps its secrets"
    if ip.is_link_local:
        return "a link-local address"
    if ip.is_multicast:
        return "a multicast address"
    if ip.is_unspecified or (ip.is_reserved and not ip.is_loopback):
        return "not the address of a host"
    if isinstance(ip, ipaddress.IPv4Address):
        if any(ip in block for block in _NOT_HOSTS_IPV4):
            return "not the address of a host"
        is_public = ip.is_global
    else:
        is_public = ip in _GLOBAL_IPV6 and not any(ip in block for block in _NOT_HOSTS_IPV6)
    if is_public or allow_private:
        return None
    return "a loopback address" if ip.is_loopback else "not a public address"


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """The addresses of a host by the system's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is empty or too long for the DNS
        raise OSError(f"{host} is not a name that the DNS can have") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PinnedTransport(httpx.AsyncBaseTransport):
    """HTTP transport that connects to an address it has checked, with the certificate checked for the host's name.

    The name is resolved once for a request and the connection goes to what came out, so that a second answer of the
    DNS cannot lead it elsewhere. When one of several addresses is refused, all are: an honest host has none of those.
    One transport serves one host, because its connections are kept by address.
    """

    def __init__(self, rules: NetworkRules, tls: SSLContext, resolve: Resolve = system_addresses) -> None:
        self._rules = rules
        self._resolve = resolve
        self._inner = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises AddressRefused before anything is sent."""
        host = _ascii_host(request.url)
        try:
            addresses = await self._resolve(host, request.url.port or _DEFAULT_PORTS[request.url.scheme])
        except OSError as error:
            raise httpx.ConnectError(f"its address is not to be found: {error}") from error
        for address in addresses:
            problem = _problem_of(address, self._rules)
            if problem is not None:
                raise AddressRefused(f"{host} has the address {address}, which is {problem}")
        failed: Exception = httpx.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # nothing was sent, so the next one may have it
                failed = error
        raise failed

    async def aclose(self) -> None:
        """Closes the connections that are kept."""
        await self._inner.aclose()


def _pinned(request: httpx.Request, host: str, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,  # with the Host that was asked for
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


def _allowed(hosts: Iterable[str], default_port: int) -> set[tuple[str, int]]:
    allowed = set()
    for entry in hosts:
        try:
            parsed = httpx.URL(f"any://{entry.strip()}")
            host = _ascii_host(parsed)
        except (httpx.InvalidURL, UnicodeError):
            host = ""
        if not host or "*" in host or parsed.path not in ("", "/") or parsed.userinfo or "://" in entry:
            raise ConfigurationError(
                f"DUNNING_GATEWAY_HOSTS: {_shown(entry)} is not a host, whole and without a wildcard, such as "
                "billing.example.com or localhost:9000"
            )
        allowed.add((host, parsed.port or default_port))
    return allowed


def _ascii_host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").rstrip(".").lower()


def _problem_of(address: str, rules: NetworkRules) -> str | None:
    """Why these rules refuse an address, and what would allow it, if anything would; None when they do not."""
    problem = address_problem(address, rules.allow_private_addresses)
    if problem is None or address_problem(address, allow_private=True) is not None:
        return problem
    return f"{problem}; DUNNING_GATEWAY_ALLOW_PRIVATE=true allows it"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _shown(text: str) -> str:
    """The URL for a message, without a password."""
    return repr(text.strip().rpartition("@")[2][:200])
