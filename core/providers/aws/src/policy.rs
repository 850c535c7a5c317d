//! The least AWS policy for the configured groups.

use entryguard_core::domain::SecurityGroup;
use serde_json::{Value, json};

/// The policy's document. No key of EC2's can limit which address may be authorised; that is EntryGuard's own to refuse.
pub fn iam_policy<'a>(groups: impl Iterator<Item = &'a SecurityGroup>) -> Value {
    let mut arns: Vec<_> = groups.map(|group| format!("arn:aws:ec2:{}:*:security-group/{}", group.region, group.id)).collect();
    arns.sort();
    arns.dedup();
    let rules = "arn:aws:ec2:*:*:security-group-rule/*";
    let change = [arns.as_slice(), &[rules.to_owned()]].concat();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Read",
                "Effect": "Allow",
                "Action": ["ec2:DescribeManagedPrefixLists", "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules"],
                "Resource": "*"
            },
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
                "Resource": rules,
                "Condition": {
                    "StringEquals": { "ec2:CreateAction": "AuthorizeSecurityGroupIngress" },
                    "ForAllValues:StringLike": { "aws:TagKeys": "entryguard:*" }
                }
            },
            {
                "Sid": "MoveTheExpiryOfMarkedRules",
                "Effect": "Allow",
                "Action": "ec2:CreateTags",
                "Resource": rules,
                "Condition": {
                    "Null": { "aws:ResourceTag/entryguard:owner": "false" },
                    "ForAllValues:StringEquals": { "aws:TagKeys": "entryguard:expires-at" }
                }
            }
        ]
    })
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{CredentialName, Ports, Protocol};

    use super::*;

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
                  "aws:ResourceTag/entryguard:owner": "false"
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
