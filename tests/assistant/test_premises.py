"""Which addresses count as inside the premises."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import ServerRefused
from assistant.premises import (
    LOOPBACK,
    admit,
    check_literal,
    judge,
    parse_address,
    parse_networks,
)

ANYWHERE = parse_networks(
    [*LOOPBACK, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10"]
)


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://models.bank.example/v1", "https://models.bank.example:443"),
        ("https://Models.Bank.Example./v1/", "https://models.bank.example:443"),
        ("https://10.1.2.3:8443/llm/v1", "https://10.1.2.3:8443/llm"),
        ("https://[fd00::5]:8443", "https://[fd00::5]:8443"),
        ("http://127.0.0.1", "http://127.0.0.1:80"),
    ],
)
def test_an_address_has_one_spelling(url: str, spelled: str) -> None:
    assert parse_address(url).url == spelled


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:8080", "ftp://10.0.0.1", "file:///etc/passwd", "http://",
        "http://user:secret@10.0.0.1", "http://10.0.0.1/?a=b", "http://10.0.0.1/#x",
        "http://10.0.0.1:99999", "http://10.0.0.1:x", "http://a b/", "http://[::1", "http://bänk/",
        "http://10.0.0.1/../x y", "http://10.0.0.1\\@evil.example/", "http://10.0.0.1/a//b",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ServerRefused) as caught:
        parse_address(url)
    assert "secret" not in str(caught.value)
    assert "docs/remote-models.md" in str(caught.value)


@pytest.mark.parametrize(
    "listed",
    ["0.0.0.0/0", "8.8.8.0/24", "::/0", "10.0.0.0/7", "169.254.0.0/16", "fe80::/10",
     "2001:db8::/32", "172.16.0.0/11", "192.0.0.0/24", "224.0.0.0/4", "10.0.0.1/8", "intranet", "",
     "::ffff:0:0/96"],
)  # fmt: skip
def test_the_list_itself_may_name_private_networks_only(listed: str) -> None:
    with pytest.raises(ServerRefused):
        parse_networks([listed])


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.255.0.1", "172.31.255.255", "192.168.0.1", "fd12::1", "100.64.0.1",
     "::ffff:10.0.0.1"],
)  # fmt: skip
def test_private_addresses_that_are_listed_are_taken(address: str) -> None:
    assert judge(address, ANYWHERE) == ""
    assert judge(address, ()) != ""


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "169.254.169.254", "fe80::1", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1",  # noqa: S104
     "255.255.255.255", "172.32.0.1", "100.128.0.1", "2001:4860:4860::8888", "::ffff:8.8.8.8",
     "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:a00:1::", "192.0.2.1", "localhost", ""],
)  # fmt: skip
def test_no_list_lets_these_through(address: str) -> None:
    assert judge(address, ANYWHERE) != ""


def test_by_default_only_this_machine_is_inside() -> None:
    default = parse_networks(LOOPBACK)
    assert judge("127.0.0.53", default) == ""
    assert "model_networks" in judge("10.0.0.1", default)
    assert "model_networks" in judge("100.64.0.1", parse_networks(["10.0.0.0/8"]))


def test_one_address_outside_refuses_the_name() -> None:
    server = parse_address("https://models.bank.example")
    assert admit(server, ["10.0.0.1", "10.0.0.1", "fd00::1"], ANYWHERE) == ("10.0.0.1", "fd00::1")
    for addresses in (["10.0.0.1", "203.0.113.9"], ["203.0.113.9"], []):
        with pytest.raises(ServerRefused):
            admit(server, addresses, ANYWHERE)


def test_plain_http_is_for_this_machine_alone() -> None:
    plain = parse_address("http://models.bank.example")
    assert admit(plain, ["127.0.0.1", "::1"], ANYWHERE) == ("127.0.0.1", "::1")
    assert admit(plain, ["::ffff:127.0.0.1"], ANYWHERE) == ("127.0.0.1",)
    for addresses in (["10.0.0.1"], ["127.0.0.1", "10.0.0.1"]):
        with pytest.raises(ServerRefused, match="over https"):
            admit(plain, addresses, ANYWHERE)


def test_addresses_that_are_spelled_out_are_refused_at_once() -> None:
    check_literal(parse_address("https://name.example"), ())
    check_literal(parse_address("https://10.0.0.1"), ANYWHERE)
    for url in ("https://8.8.8.8", "https://[fe80::1]", "http://10.0.0.1"):
        with pytest.raises(ServerRefused):
            check_literal(parse_address(url), ANYWHERE)


@given(st.ip_addresses())
def test_whatever_is_taken_is_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if judge(str(address), ANYWHERE) == "":
        plain = getattr(address, "ipv4_mapped", None) or address
        shared = plain.version == 4 and plain in ipaddress.ip_network("100.64.0.0/10")
        assert shared or plain.is_private
        assert not plain.is_link_local
