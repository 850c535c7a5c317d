//! What EC2's errors mean for us.

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use entryguard_core::provider::ProviderError;

const AWS: &str = "AWS";

/// From an SDK error to ours. `doing` is what was tried, `on` the group, both in words for people.
pub(crate) fn provider_error<E, R>(error: &SdkError<E, R>, doing: &str, on: &str) -> ProviderError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("unknown");
            from_code(code, service.err().message().unwrap_or_default(), doing, on)
        }
        SdkError::ConstructionFailure(_) => {
            let reason = "the call could not be made; check the credential in the configuration".to_owned();
            ProviderError::Local { what: doing.to_owned(), reason }
        }
        SdkError::TimeoutError(_) => ProviderError::Unreachable { provider: AWS, reason: "no answer in time".into() },
        SdkError::DispatchFailure(failure) if failure.is_other() && !failure.is_timeout() && !failure.is_io() => {
            // What is neither the network nor the time is the credentials: none could be had.
            let reason = "no AWS credentials could be had; check the environment, the profile or the role to assume".to_owned();
            ProviderError::Local { what: doing.to_owned(), reason }
        }
        other => ProviderError::Unreachable { provider: AWS, reason: innermost(other) },
    }
}

/// The last cause says most, and in the fewest words.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn from_code(code: &str, message: &str, doing: &str, on: &str) -> ProviderError {
    match code {
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "RequestThrottled" => {
            ProviderError::Throttled { provider: AWS, code: code.to_owned() }
        }
        "InvalidPermission.Duplicate" => ProviderError::Duplicate,
        "InvalidGroup.NotFound" | "InvalidGroupId.Malformed" | "InvalidSecurityGroupID.NotFound" => {
            ProviderError::Missing { what: on.to_owned() }
        }
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "ExpiredToken"
        | "InvalidClientTokenId"
        | "OptInRequired"
        | "UnrecognizedClientException" => ProviderError::Denied { what: format!("{doing} on {on}"), code: code.to_owned() },
        "RulesPerSecurityGroupLimitExceeded" => {
            ProviderError::QuotaReached { quota: "the quota of rules a security group", what: on.to_owned() }
        }
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" => {
            ProviderError::Unreachable { provider: AWS, reason: code.to_owned() }
        }
        _ => ProviderError::Rejected { what: format!("{doing} on {on}"), reason: format!("{code}: {message}") },
    }
}

/// Whether a rule that was to be removed is not there any more.
pub(crate) fn is_rule_not_found<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    matches!(code, Some("InvalidSecurityGroupRuleId.NotFound" | "InvalidPermission.NotFound"))
}

#[cfg(test)]
mod tests {
    use entryguard_core::provider::Next;

    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_the_rest_is_said_at_once() {
        let next = |code| from_code(code, "", "adding rules", "security group sg-1 in eu-west-1").next();
        for code in ["RequestLimitExceeded", "InvalidPermission.Duplicate", "Unavailable"] {
            assert_eq!(next(code), Next::Retry, "{code}");
        }
        for code in ["InvalidGroup.NotFound", "UnauthorizedOperation", "RulesPerSecurityGroupLimitExceeded", "Whatever"] {
            assert_eq!(next(code), Next::GiveUp, "{code}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let text = |code| from_code(code, "no such thing", "adding rules", "security group sg-1 in eu-west-1").to_string();
        insta::assert_snapshot!(text("InvalidGroup.NotFound"), @"security group sg-1 in eu-west-1 does not exist; correct the resource in the configuration");
        insta::assert_snapshot!(text("UnauthorizedOperation"), @"adding rules on security group sg-1 in eu-west-1 was denied (UnauthorizedOperation); give the credential the rights that `entryguard iam-policy` prints");
        insta::assert_snapshot!(text("RulesPerSecurityGroupLimitExceeded"), @"the quota of rules a security group is reached on security group sg-1 in eu-west-1; remove rules that nobody needs, or ask the provider for more");
        insta::assert_snapshot!(text("InvalidParameterValue"), @"adding rules on security group sg-1 in eu-west-1 was refused: InvalidParameterValue: no such thing");
    }
}
