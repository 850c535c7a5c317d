//! How often EC2 lets an account call each of its APIs in a region, as AWS documents it for accounts that asked for no more.

use entryguard_core::domain::{ApiLimit, SecurityGroup};
use entryguard_core::provider::CallLimits;

use crate::batch::OPENINGS_A_CALL;

/// Changes of security groups count as resource-intensive.
const CHANGES: (u32, u32) = (50, 5);
/// Other changes, as tags.
const TAGS: (u32, u32) = (100, 10);
/// Reads that are filtered or paged.
const READS: (u32, u32) = (100, 20);

pub(crate) fn limits(group: &SecurityGroup) -> CallLimits {
    let limit = |api: &str, (burst, per_second)| ApiLimit {
        api: format!("{}/{}/{api}", group.credential, group.region),
        burst,
        per_second,
    };
    CallLimits {
        observe: limit("DescribeSecurityGroupRules", READS),
        add: limit("AuthorizeSecurityGroupIngress", CHANGES),
        mark: limit("CreateTags", TAGS),
        remove: limit("RevokeSecurityGroupIngress", CHANGES),
        additions_a_call: OPENINGS_A_CALL,
    }
}
