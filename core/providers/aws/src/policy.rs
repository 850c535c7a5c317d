//! The least AWS policy for the configured groups.

use entryguard_core::domain::SecurityGroup;
use serde_json::{Value, json};

/// The policy of a server. No key of EC2's can limit which address may be authorised; that is EntryGuard's own to refuse.
pub fn iam_policy<'a>(groups: impl Iterator<Item = &'a SecurityGroup>) -> Value {
    let mark = json!({
        "Sid": "MoveTheExpiryOfMarkedRules",
        "Effect": "Allow",
        "Action": "ec2:CreateTags",
        "Resource": RULES,
        "Condition": marked(&json!({ "ForAllValues:StringEquals": { "aws:TagKeys": "entryguard:expires-at" } }))
    });
    policy(groups, &["ec2:DescribeManagedPrefixLists", "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules"], mark)
}

/// The policy of jobs that share groups without a server, and write on the rules who holds them.
pub fn serverless_policy<'a>(groups: impl Iterator<Item = &'a SecurityGroup>) -> Value {
    let notes = json!({
        "Sid": "SayWhoHoldsMarkedRules",
        "Effect": "Allow",
        "Action": ["ec2:CreateTags", "ec2:DeleteTags"],
        "Resource": RULES,
        "Condition": marked(&json!({
            "ForAllValues:StringLike": { "aws:TagKeys": ["entryguard:expires-at", "entryguard:holder:*", "entryguard:closing:*"] }
        }))
    });
    policy(groups, &["ec2:DescribeSecurityGroupRules"], notes)
}

const RULES: &str = "arn:aws:ec2:*:*:security-group-rule/*";

/// Keys of ours on rules of ours. `ForAllValues` alone holds also where no key is named, which to DeleteTags means all of them.
fn marked(keys: &Value) -> Value {
    let mut condition = keys.clone();
    condition["Null"] = json!({ "aws:ResourceTag/entryguard:owner": "false", "aws:TagKeys": "false" });
    condition
}

fn policy<'a>(groups: impl Iterator<Item = &'a SecurityGroup>, reads: &[&str], of_marked_rules: Value) -> Value {
    let mut arns: Vec<_> = groups.map(|group| format!("arn:aws:ec2:{}:*:security-group/{}", group.region, group.id)).collect();
    arns.sort();
    arns.dedup();
    let change = [arns.as_slice(), &[RULES.to_owned()]].concat();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Sid": "Read", "Effect": "Allow", "Action": reads, "Resource": "*" },
            {
                "Sid": "ChangeTheConfiguredGroups",
                "Effect": "Allow",
                "Action": ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"],
                "Resource": change
            },
            {
                "Sid": "MarkNewRules",
                "Effect": "Allow",
                "Action": "ec2:CreateTags",
                "Resource": RULES,
                "Condition": {
                    "StringEquals": { "ec2:CreateAction": "AuthorizeSecurityGroupIngress" },
                    "ForAllValues:StringLike": { "aws:TagKeys": "entryguard:*" }
                }
            },
            of_marked_rules
        ]
    })
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{CredentialName, Ports, Protocol};

    use super::*;

    #[test]
    fn jobs_may_write_their_own_notes_on_marked_rules_and_nothing_else() {
        let group = SecurityGroup {
            id: "sg-1".into(),
            region: "eu-west-1".into(),
            credential: CredentialName::new("environment").unwrap(),
            ports: Vec::new(),
        };
        let policy = serverless_policy([group].iter());
        insta::assert_snapshot!(format!("{:#}", policy["Statement"][3]), @r#"
        {
          "Action": [
            "ec2:CreateTags",
            "ec2:DeleteTags"
          ],
          "Condition": {
            "ForAllValues:StringLike": {
              "aws:TagKeys": [
                "entryguard:expires-at",
                "entryguard:holder:*",
                "entryguard:closing:*"
              ]
            },
            "Null": {
              "aws:ResourceTag/entryguard:owner": "false",
              "aws:TagKeys": "false"
            }
          },
          "Effect": "Allow",
          "Resource": "arn:aws:ec2:*:*:security-group-rule/*",
          "Sid": "SayWhoHoldsMarkedRules"
        }
        "#);
    }

    #[test]
    fn only_the_configured_groups_may_be_changed() {
        let group = |id: &str| SecurityGroup {
            id: id.into(),
            region: "eu-west-1".into(),
            credential: CredentialName::new("prod").unwrap(),
            ports: vec![Ports::new(Protocol::Tcp, 22, 22).unwrap()],
        };
        let groups = [group("sg-2"), group("sg-1"), group("sg-2")];
        let policy = iam_policy(groups.iter());
        insta::assert_snapshot!(format!("{policy:#}"), @r#"
        {
          "Statement": [
            {
              "Action": [
                "ec2:DescribeManagedPrefixLists",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSecurityGroupRules"
              ],
              "Effect": "Allow",
              "Resource": "*",
              "Sid": "Read"
            },
            {
              "Action": [
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:RevokeSecurityGroupIngress"
              ],
              "Effect": "Allow",
              "Resource": [
                "arn:aws:ec2:eu-west-1:*:security-group/sg-1",
                "arn:aws:ec2:eu-west-1:*:security-group/sg-2",
                "arn:aws:ec2:*:*:security-group-rule/*"
              ],
              "Sid": "ChangeTheConfiguredGroups"
            },
            {
              "Action": "ec2:CreateTags",
              "Condition": {
                "ForAllValues:StringLike": {
                  "aws:TagKeys": "entryguard:*"
                },
                "StringEquals": {
                  "ec2:CreateAction": "AuthorizeSecurityGroupIngress"
                }
              },
              "Effect": "Allow",
              "Resource": "arn:aws:ec2:*:*:security-group-rule/*",
              "Sid": "MarkNewRules"
            },
            {
              "Action": "ec2:CreateTags",
              "Condition": {
                "ForAllValues:StringEquals": {
                  "aws:TagKeys": "entryguard:expires-at"
                },
                "Null": {
                  "aws:ResourceTag/entryguard:owner": "false",
                  "aws:TagKeys": "false"
                }
              },
              "Effect": "Allow",
              "Resource": "arn:aws:ec2:*:*:security-group-rule/*",
              "Sid": "MoveTheExpiryOfMarkedRules"
            }
          ],
          "Version": "2012-10-17"
        }
        "#);
    }
}
