"""Where a charge may go, and where it may not."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dunning_service.errors import ConfigurationError
from dunning_service.gateways import ChargeOutcome, NotCharged, OutcomeUnknown
from dunning_service.outgoing.network import NetworkRules, Resolve, address_problem, allowed_url, system_addresses
from unit.gateways._endpoint import KEY, PAID, Endpoint, a_gateway, a_request, running, says

NAME = "billing.example.com"


def resolver(*answers: Sequence[str]) -> Resolve:
    """Answers each question with the next of the lists, and the last one from then on."""
    waiting = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return resolve


def by_name(endpoint: Endpoint, **given: object) -> dict[str, object]:
    """What calls the endpoint as billing.example.com."""
    return {"url": f"http://{NAME}:{endpoint.port}/charges", "rules": {"hosts": [f"{NAME}:{endpoint.port}"]}, **given}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "203.0.113.7",
        "169.254.169.254",
        "0.0.0.0",
        "0.1.2.3",
        "192.0.0.8",
        "192.88.99.1",
        "224.0.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff0e::1",
    ],
)
def test_no_address_but_a_public_one_is_connected_to(address: str) -> None:
    assert address_problem(address) is not None


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_connected_to(address: str) -> None:
    assert address_problem(address) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "100.64.0.1", "::1", "fc00::1", "::ffff:192.168.0.1"])
def test_private_addresses_can_be_allowed(address: str) -> None:
    assert address_problem(address, allow_private=True) is None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "::",
        "240.0.0.1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
    ],
)
def test_some_addresses_can_never_be_allowed(address: str) -> None:
    assert address_problem(address, allow_private=True) is not None


async def test_a_name_that_leads_inside_is_refused_before_anything_is_sent() -> None:
    async with running(says(200, PAID)) as endpoint:
        given = by_name(endpoint, resolve=resolver(["127.0.0.1"]))
        given["rules"] |= {"allow_private_addresses": False}
        gateway = a_gateway(endpoint, **given)
        with pytest.raises(
            NotCharged, match=r"127\.0\.0\.1, which is a loopback address; DUNNING_GATEWAY_ALLOW_PRIVATE"
        ):
            await gateway.charge(KEY, a_request())
        with pytest.raises(OutcomeUnknown, match="a loopback address"):
            await gateway.lookup(KEY)
        await gateway.close()
    assert endpoint.connections == 0


def test_an_address_written_as_the_host_is_refused_when_it_is_set() -> None:
    with pytest.raises(ConfigurationError, match="a loopback address; DUNNING_GATEWAY_ALLOW_PRIVATE=true"):
        a_gateway(rules={"allow_private_addresses": False})
    with pytest.raises(ConfigurationError, match=r"a link-local address$"):
        allowed_url("https://169.254.169.254/", NetworkRules(hosts=["169.254.169.254"]))


async def test_cloud_metadata_is_never_called() -> None:
    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint, **by_name(endpoint, resolve=resolver(["169.254.169.254"])))
        with pytest.raises(NotCharged, match=r"link-local address$"):
            await gateway.charge(KEY, a_request())
        await gateway.close()


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint, **by_name(endpoint, resolve=resolver(["127.0.0.1", "169.254.169.254"])))
        with pytest.raises(NotCharged, match="link-local"):
            await gateway.charge(KEY, a_request())
        await gateway.close()
    assert endpoint.connections == 0


async def test_what_was_looked_at_is_what_is_connected_to() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint, **by_name(endpoint, resolve=resolve))
        charged = await gateway.charge(KEY, a_request())
        assert asked == [NAME]  # the address is not resolved a second time on the way
        assert charged.outcome is ChargeOutcome.SUCCEEDED
        assert endpoint.asked[0].headers["host"] == f"{NAME}:{endpoint.port}"
        with pytest.raises(NotCharged, match="link-local"):  # the name leads elsewhere by now
            await gateway.charge(KEY, a_request())
        await gateway.close()
    assert len(endpoint.asked) == 1


async def test_the_next_address_is_tried_when_nobody_listens_at_the_first() -> None:
    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint, **by_name(endpoint, resolve=resolver(["127.0.0.9", "127.0.0.1"])))
        assert (await gateway.charge(KEY, a_request())).outcome is ChargeOutcome.SUCCEEDED
        await gateway.close()
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("addresses", [[], ["::1"]])
async def test_a_name_that_leads_nowhere_leaves_the_outcome_unknown(addresses: list[str]) -> None:
    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint, **by_name(endpoint, resolve=resolver(addresses)))
        with pytest.raises(OutcomeUnknown, match="no connection"):
            await gateway.charge(KEY, a_request())
        await gateway.close()


async def test_a_resolver_that_fails_leaves_the_outcome_unknown() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("Temporary failure in name resolution")

    async with running(says(200, PAID)) as endpoint:
        gateway = a_gateway(endpoint, **by_name(endpoint, resolve=resolve))
        with pytest.raises(OutcomeUnknown, match=f"no connection to {NAME}: .*Temporary failure"):
            await gateway.charge(KEY, a_request())
        await gateway.close()


async def test_the_systems_resolver_is_asked() -> None:
    assert await system_addresses("127.0.0.1", 80) == ["127.0.0.1"]
    with pytest.raises(OSError, match="not a name"):
        await system_addresses("a" * 70, 80)


def test_an_address_in_the_url_is_called_in_its_usual_form() -> None:
    rules = NetworkRules(
        hosts=["[::1]:9000", "bücher.example", "pay.example.com"], allow_http=True, allow_private_addresses=True
    )
    assert allowed_url("http://[::1]:9000/", rules) == "http://[::1]:9000"
    assert allowed_url("https://BÜCHER.example/x/", rules) == "https://xn--bcher-kva.example/x"
    assert allowed_url(" https://Pay.Example.com.:443/charges ", rules) == "https://pay.example.com/charges"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://other.example.com/", "add it to DUNNING_GATEWAY_HOSTS"),
        ("https://pay.example.com.evil.org/", "add it to DUNNING_GATEWAY_HOSTS"),
        ("https://pay.example.com:8443/", r"pay\.example\.com:8443: add it"),
        ("https://local.example.com/", r"local\.example\.com: add it"),
        ("http://pay.example.com/", "is not encrypted"),
        ("ftp://pay.example.com/", "is not a URL"),
        ("pay.example.com", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://pay.example.com:port/", "is not a URL"),
        ("", "is not a URL"),
        ("https://user:hunter2@pay.example.com/", "no user name or password"),
        ("https://pay.example.com/?a=b", "end with its path"),
        ("https://pay.example.com/?", "end with its path"),
        ("https://pay.example.com/#a", "end with its path"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, problem: str) -> None:
    rules = NetworkRules(hosts=["pay.example.com", "local.example.com:9000"])
    with pytest.raises(ConfigurationError, match=problem) as refused:
        allowed_url(url, rules)
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize(
    "entry", ["https://pay.example.com", "pay.example.com/path", "user@pay.example.com", "a:b", ""]
)
def test_an_entry_that_is_no_host_is_named(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="DUNNING_GATEWAY_HOSTS"):
        allowed_url("https://pay.example.com/", NetworkRules(hosts=[entry]))


def test_nothing_is_allowed_unless_it_is_named() -> None:
    with pytest.raises(ConfigurationError, match="the operator has not allowed"):
        allowed_url("https://pay.example.com/", NetworkRules())


def a_certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "both.pem").write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    server, client = a_certificate(tmp_path, NAME)
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    async with running(says(200, PAID), server) as endpoint:
        given = by_name(endpoint, url=f"https://{NAME}:{endpoint.port}/charges", tls=client)
        gateway = a_gateway(endpoint, **given, resolve=resolver(["127.0.0.1"]))
        assert (await gateway.charge(KEY, a_request())).outcome is ChargeOutcome.SUCCEEDED
        await gateway.close()
    assert names == [NAME]


async def test_a_certificate_of_another_name_is_not_accepted(tmp_path: Path) -> None:
    server, client = a_certificate(tmp_path, "other.example.com")
    async with running(says(200, PAID), server) as endpoint:
        given = by_name(endpoint, url=f"https://{NAME}:{endpoint.port}/charges", tls=client)
        gateway = a_gateway(endpoint, **given, resolve=resolver(["127.0.0.1"]))
        with pytest.raises(OutcomeUnknown, match=r"(?i)certificate"):
            await gateway.charge(KEY, a_request())
        await gateway.close()
    assert endpoint.asked == []


async def test_an_authority_nobody_knows_is_not_accepted(tmp_path: Path) -> None:
    server, _ = a_certificate(tmp_path, NAME)
    async with running(says(200, PAID), server) as endpoint:
        given = by_name(endpoint, url=f"https://{NAME}:{endpoint.port}/charges")
        gateway = a_gateway(endpoint, **given, resolve=resolver(["127.0.0.1"]))
        with pytest.raises(OutcomeUnknown, match=r"(?i)certificate"):
            await gateway.charge(KEY, a_request())
        await gateway.close()
