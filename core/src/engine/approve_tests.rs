use super::*;
use crate::domain::{Addresses, HostAddress, Surface};
use crate::engine::StartRequest;
use crate::engine::testing::OnSqlite;

const TEAM: &str = r#"
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/tmp/entryguard-nobody-writes-this.allow"
format = "plain"
[[member]]
name = "ana"
identities = ["slack:T0123456/U111"]
[[member]]
name = "bo"
identities = ["slack:T0123456/U222"]
[[member]]
name = "cy"
identities = ["slack:T0123456/U333"]
[[member]]
name = "dee"
identities = ["slack:T0123456/U444"]
[[role]]
name = "a"
members = ["ana"]
resources = ["intranet"]
approval = { by = ["bo"], within = "30m" }
[[role]]
name = "d"
members = ["dee"]
resources = ["intranet"]
approval = { by = ["cy"], within = "30m" }
"#;

#[tokio::test]
async fn a_request_is_not_hidden_by_a_hundred_newer_ones_of_others() {
    let world = OnSqlite::with(TEAM).await;
    let who = |user: &str| world.engine.caller(&format!("slack:T0123456/{user}").parse().unwrap(), Surface::Web).unwrap();
    let ask = async |user: &str| {
        let home = Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap();
        world.engine.start(&who(user), StartRequest::seen(None, home)).await.unwrap().view.session.id
    };
    let anas = ask("U111").await;
    for _ in 0..REQUESTS {
        world.clock.advance(crate::domain::Span::from_millis(1));
        ask("U444").await;
    }
    let asked_of = async |user: &str| world.engine.requests_for(&who(user)).await.unwrap();
    let bos: Vec<_> = asked_of("U222").await.into_iter().map(|view| view.session.id).collect();
    assert_eq!(bos, [anas]);
    assert_eq!(asked_of("U333").await.len(), REQUESTS as usize);
    assert_eq!(asked_of("U111").await, [], "nobody answers their own");
}
