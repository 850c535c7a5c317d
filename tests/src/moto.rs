//! Amazon EC2 as an outsider sees it: its Query API spoken by hand, so that a mistake of the SDK or of our use of it cannot hide.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use crate::loopback;

/// A security group's id, `sg-…`.
pub type GroupId = String;

/// One ingress rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `sgr-…`
    pub id: String,
    /// The group that it is of.
    pub group: GroupId,
    /// `tcp`, `udp`, …
    pub protocol: String,
    /// The first port.
    pub from: i64,
    /// The last port.
    pub to: i64,
    /// The addresses let in, IPv4 or IPv6.
    pub cidr: String,
    /// What people read in the console; empty where there is none.
    pub description: String,
    /// The rule's tags.
    pub tags: BTreeMap<String, String>,
}

impl Rule {
    /// Whether the program made it, by its mark.
    pub fn is_ours(&self) -> bool {
        self.tags.contains_key("entryguard:owner")
    }
}

/// A client of EC2 in one region.
#[derive(Debug, Clone)]
pub struct Ec2 {
    endpoint: String,
    region: String,
    http: reqwest::Client,
}

impl Ec2 {
    /// A client that speaks to `endpoint`: moto, or a proxy before it.
    pub fn at(endpoint: &str, region: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), region: region.to_owned(), http: loopback::client() }
    }

    /// Makes a group, in the default network.
    pub async fn create_group(&self, name: &str) -> GroupId {
        let xml = self.ask("CreateSecurityGroup", &[("GroupName", name), ("GroupDescription", "of a test")]).await;
        let document = Document::parse(&xml).unwrap();
        text(document.root_element(), "groupId")
    }

    /// The group's ingress rules, as the cloud lists them.
    pub async fn rules(&self, group: &str) -> Vec<Rule> {
        self.rules_of_all(&[group.to_owned()]).await
    }

    /// The ingress rules of several groups, all at one instant.
    pub async fn rules_of_all(&self, groups: &[GroupId]) -> Vec<Rule> {
        let names: Vec<_> = (1..=groups.len()).map(|number| format!("Filter.1.Value.{number}")).collect();
        let values = names.iter().map(String::as_str).zip(groups.iter().map(String::as_str));
        let filter: Vec<_> = [("Filter.1.Name", "group-id")].into_iter().chain(values).collect();
        let xml = self.ask("DescribeSecurityGroupRules", &filter).await;
        let document = Document::parse(&xml).unwrap();
        let items = child(document.root_element(), "securityGroupRuleSet").into_iter().flat_map(|set| set.children());
        items.filter(|item| item.is_element() && text(*item, "isEgress") == "false").map(rule).collect()
    }

    /// Lets an address in as somebody with a console would: without our tags. Gives the rule's id.
    pub async fn authorize_by_hand(&self, group: &str, port: u16, cidr: &str, description: &str) -> String {
        self.authorize(group, port, cidr, description, &[]).await
    }

    /// Makes a rule with these tags, as if the program had. Gives the rule's id.
    pub async fn authorize_tagged(&self, group: &str, port: u16, cidr: &str, tags: &[(&str, &str)]) -> String {
        self.authorize(group, port, cidr, "of a test", tags).await
    }

    async fn authorize(&self, group: &str, port: u16, cidr: &str, description: &str, tags: &[(&str, &str)]) -> String {
        let port = port.to_string();
        let (range, address) = if cidr.contains(':') { ("Ipv6Ranges", "CidrIpv6") } else { ("IpRanges", "CidrIp") };
        let (address, note) = (format!("IpPermissions.1.{range}.1.{address}"), format!("IpPermissions.1.{range}.1.Description"));
        let mut parameters = vec![
            ("GroupId", group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", &port),
            ("IpPermissions.1.ToPort", &port),
            (&address, cidr),
            (&note, description),
        ];
        let place = |(index, (key, value))| {
            let tag = format!("TagSpecification.1.Tag.{}", index + 1);
            [(format!("{tag}.Key"), key), (format!("{tag}.Value"), value)]
        };
        let tags: Vec<(String, &str)> = tags.iter().copied().enumerate().flat_map(place).collect();
        if !tags.is_empty() {
            parameters.push(("TagSpecification.1.ResourceType", "security-group-rule"));
        }
        parameters.extend(tags.iter().map(|(name, value)| (name.as_str(), *value)));
        let xml = self.ask("AuthorizeSecurityGroupIngress", &parameters).await;
        let document = Document::parse(&xml).unwrap();
        let id = document.descendants().find(|node| node.is_named("securityGroupRuleId"));
        id.and_then(|node| node.text()).expect("the new rule's id").to_owned()
    }

    /// Removes a rule behind the server's back.
    pub async fn revoke_by_hand(&self, group: &str, rule_id: &str) {
        self.ask("RevokeSecurityGroupIngress", &[("GroupId", group), ("SecurityGroupRuleId.1", rule_id)]).await;
    }

    /// Deletes the whole group.
    pub async fn delete_group(&self, group: &str) {
        self.ask("DeleteSecurityGroup", &[("GroupId", group)]).await;
    }

    async fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let (status, body) = self.try_ask(action, parameters).await;
        assert_eq!(status, 200, "{action} {parameters:?}: {body}");
        body
    }

    /// Any call at all; gives the status and the XML.
    pub async fn try_ask(&self, action: &str, parameters: &[(&str, &str)]) -> (u16, String) {
        let scope = format!("test/20260101/{}/ec2/aws4_request", self.region);
        let form = [&[("Action", action), ("Version", "2016-11-15")], parameters].concat();
        let request = self.http.post(&self.endpoint).form(&form);
        // Nobody checks the signature, but the scope is how moto learns the region and the service.
        let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x");
        let answer = request.header("Authorization", signed).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn rule(item: Node) -> Rule {
    let port = |name| text(item, name).parse().unwrap_or(-1);
    let cidr = [text(item, "cidrIpv4"), text(item, "cidrIpv6")].concat();
    let tags = child(item, "tagSet").into_iter().flat_map(|set| set.children()).filter(Node::is_element);
    Rule {
        id: text(item, "securityGroupRuleId"),
        group: text(item, "groupId"),
        protocol: text(item, "ipProtocol"),
        from: port("fromPort"),
        to: port("toPort"),
        cidr,
        description: text(item, "description"),
        tags: tags.map(|tag| (text(tag, "key"), text(tag, "value"))).collect(),
    }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.is_named(name))
}

fn text(node: Node, name: &str) -> String {
    child(node, name).and_then(|child| child.text()).unwrap_or_default().to_owned()
}

/// EC2's elements are in a namespace that carries its version; the name alone says enough.
trait Named {
    fn is_named(&self, name: &str) -> bool;
}

impl Named for Node<'_, '_> {
    fn is_named(&self, name: &str) -> bool {
        self.tag_name().name() == name
    }
}
