use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(addresses: &[&str], expected: Option<&str>) {
    for text in addresses {
        let found = reserved(text.parse().unwrap());
        assert_eq!(found.is_some(), expected.is_some(), "{text}: {found:?}");
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{text}: {found:?}");
    }
}

#[test]
fn public_addresses_are_public() {
    check(
        &["1.1.1.1", "8.8.8.8", "93.184.215.14", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0"],
        None,
    );
    check(
        &["169.253.255.255", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"],
        None,
    );
    check(&["2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2001:200::1", "2400::1"], None);
}

#[test]
fn what_is_not_public_is_named() {
    check(&["127.0.0.1", "127.255.255.255", "::1"], Some("loopback"));
    check(
        &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00:ec2::254", "fc00::1"],
        Some("private"),
    );
    check(&["169.254.169.254", "fe80::1", "febf::1", "168.63.129.16"], Some("metadata"));
    check(&["0.0.0.0", "0.1.2.3", "::"], Some("unspecified"));
    check(&["224.0.0.1", "239.255.255.255", "ff02::1"], Some("multicast"));
    check(&["255.255.255.255"], Some("broadcast"));
    check(&["192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "3fff::1"], Some("documentation"));
    check(&["198.18.0.1", "198.19.255.255"], Some("benchmarks"));
    check(&["240.0.0.1", "100::1", "4000::1", "5f00::1", "::ffff:0:127.0.0.1"], Some("reserved"));
    check(&["192.0.0.192", "2001::1", "2001:2::1", "2001:10::1"], Some("protocols"));
    check(&["fec0::1"], Some("site-local"));
    check(&["64:ff9b:1::a00:1"], Some("translation"));
    check(&["::7f00:1", "::8.8.8.8"], Some("compatible"));
}

#[test]
fn an_address_that_carries_another_is_what_that_one_is() {
    check(&["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::1", "2a00::5efe:7f00:1"], Some("loopback"));
    check(&["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"], Some("metadata"));
    check(&["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"], None);
}

proptest! {
    /// Against what the standard library knows of them.
    #[test]
    fn nothing_that_the_standard_library_calls_special_is_public(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let special = address.is_loopback() || address.is_private() || address.is_link_local() || address.is_multicast()
            || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
        prop_assert!(!special || reserved_v4(address).is_some());
    }

    #[test]
    fn every_form_of_an_ipv4_address_is_judged_as_that_address(bits: u32, tail: u64) {
        let address = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = address.octets();
        let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        let rest = |shift: u32| u16::try_from(tail >> shift & 0xffff).unwrap();
        let six_to_four = Ipv6Addr::from([0x2002, high, low, 1, rest(48), 1, rest(16), rest(0)]);
        let nat64 = Ipv6Addr::from([0x64, 0xff9b, 0, 0, 0, 0, high, low]);
        for form in [address.to_ipv6_mapped(), nat64, six_to_four] {
            prop_assert_eq!(reserved(form.into()), reserved_v4(address), "{}", form);
        }
        prop_assert!(reserved(address.to_ipv6_compatible().into()).is_some());
    }

    #[test]
    fn nothing_outside_of_what_is_given_out_is_public(bits: u128) {
        let address = Ipv6Addr::from_bits(bits);
        if !PUBLIC_V6.contains(&address) && translated(address).is_none() {
            prop_assert!(reserved_v6(address).is_some(), "{}", address);
        }
        let near = Ipv6Addr::from_bits(bits & !(7 << 125));
        prop_assert!(translated(near).is_some() || reserved_v6(near).is_some(), "{}", near);
    }
}
