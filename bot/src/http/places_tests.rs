//! Who gets a place, who gives way, and who holds how many bytes.

use super::*;

const BOUNDS: Bounds =
    Bounds { at_once: 6, spare: 1, of_address: 2, of_proxy: 4, bytes: 100, bytes_of_address: 40, bytes_of_proxy: 80 };

fn places() -> Arc<Places> {
    Places::new(BOUNDS, &["10.0.0.0/8".parse().unwrap()])
}

fn is_closed(place: &Place) -> bool {
    place.closed.is_cancelled()
}

fn of(places: &Arc<Places>, peer: &str) -> Option<Place> {
    places.take(peer.parse().unwrap())
}

#[test]
fn the_oldest_waiting_connection_of_an_address_gives_way_and_no_other_address_does() {
    let places = places();
    let other = of(&places, "198.41.0.4").unwrap();
    let first = of(&places, "93.184.216.34").unwrap();
    let second = of(&places, "93.184.216.34").unwrap();
    // It has been answered since the second one came, so the second one has waited longer.
    assert!(first.works() && first.awaits_bytes());
    let third = of(&places, "93.184.216.34").unwrap();
    assert_eq!([&other, &first, &second, &third].map(is_closed), [false, false, true, false]);
    assert!(!second.works(), "a request that comes on a closed connection is not begun");
}

#[test]
fn an_ipv6_network_is_one_address_and_a_proxy_has_its_own_larger_bound() {
    let places = places();
    let six: Vec<_> = (1..=3).map(|host| of(&places, &format!("2606:2800:220:1::{host}")).unwrap()).collect();
    assert_eq!(six.iter().map(is_closed).collect::<Vec<_>>(), [true, false, false]);
    let proxied: Vec<_> = (1..=4).map(|_| of(&places, "::ffff:10.0.0.7").unwrap()).collect();
    assert!(!proxied.iter().any(is_closed));
    let _fifth = of(&places, "10.0.0.7").unwrap();
    assert!(is_closed(&proxied[0]));
}

#[test]
fn where_every_request_is_at_work_a_spare_place_is_left_and_then_none() {
    let places = places();
    let all: Vec<_> = (1..=6).map(|host| of(&places, &format!("198.51.100.{host}")).unwrap()).collect();
    assert!(all.iter().all(|place| place.kind() == Kind::Regular && place.works()));
    let spare = of(&places, "198.51.100.7").unwrap();
    assert_eq!(spare.kind(), Kind::Spare);
    let next = of(&places, "198.51.100.8").unwrap();
    assert!(is_closed(&spare) && next.kind() == Kind::Spare, "a spare connection that says nothing gives way to the next one");
    assert!(next.works() && of(&places, "198.51.100.9").is_none());
    all[3].is_stuck(true);
    assert_eq!(of(&places, "198.51.100.9").unwrap().kind(), Kind::Regular, "a peer that takes nothing gives way");
    assert_eq!(all.iter().map(is_closed).collect::<Vec<_>>(), [false, false, false, true, false, false]);
    drop(all);
    assert_eq!(of(&places, "198.51.100.10").unwrap().kind(), Kind::Regular);
}

#[test]
fn bytes_are_bounded_in_all_and_for_each_address_and_count_until_they_are_given_back() {
    let places = places();
    let [one, two] = [(); 2].map(|()| of(&places, "93.184.216.34").unwrap());
    assert_eq!(one.draw(40), Drawn::Granted);
    assert_eq!(two.draw(10), Drawn::Soon, "the other connection has waited longer, and is closed");
    assert!(is_closed(&one));
    assert_eq!(two.draw(10), Drawn::Soon, "it has not given its bytes back yet");
    drop(one);
    assert_eq!(two.draw(10), Drawn::Granted);
    let proxied = of(&places, "10.0.0.7").unwrap();
    assert!(proxied.works());
    assert_eq!(proxied.draw(80), Drawn::Granted);
    assert_eq!(proxied.draw(1), Drawn::Refused, "its own request is all that holds bytes");
    let late = of(&places, "198.41.0.4").unwrap();
    assert!(two.works());
    assert_eq!(late.draw(20), Drawn::Refused, "all others are at work");
    two.give_back(10);
    assert_eq!(late.draw(20), Drawn::Granted);
}
