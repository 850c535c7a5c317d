//! What EC2's errors mean for us.

use std::error::Error;
use std::io;

use aws_sdk_ec2::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use entryguard_core::provider::ProviderError;

const AWS: &str = "AWS";

/// From an SDK error to ours. `doing` is what was tried, `on` the group, both in words for people.
pub(crate) fn provider_error<E>(error: &SdkError<E>, doing: &str, on: &str) -> ProviderError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            match service.err().code() {
                Some(code) => from_code(code, service.err().message().unwrap_or_default(), status, doing, on),
                // Not in EC2's words: something between us and it has answered, and EC2 may have done what it was asked.
                None => unreachable(format!("an answer that is not EC2's, with HTTP status {status}")),
            }
        }
        SdkError::ConstructionFailure(_) => {
            let reason = "the call could not be made; check the credential in the configuration".to_owned();
            ProviderError::Local { what: doing.to_owned(), reason }
        }
        SdkError::TimeoutError(_) => unreachable("no answer in time".to_owned()),
        // Credentials that could not be had because nobody answered will be had another time.
        other if is_for_want_of_credentials(other) && !innermost(other).is::<io::Error>() => {
            let why = in_short(innermost(other));
            let reason = format!(
                "no AWS credentials could be had ({why}); check the environment, the profile or the role to assume, and who may assume it"
            );
            ProviderError::Local { what: doing.to_owned(), reason }
        }
        other => unreachable(in_short(innermost(other))),
    }
}

fn unreachable(reason: String) -> ProviderError {
    ProviderError::Unreachable { provider: AWS, reason }
}

/// The last cause says most, and in the fewest words.
fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// One line: of a service's error its code and message, of anything else its first sentence.
fn in_short(cause: &(dyn Error + 'static)) -> String {
    if let Some(said) = cause.downcast_ref::<ErrorMetadata>() {
        return [said.code(), said.message()].into_iter().flatten().collect::<Vec<_>>().join(": ");
    }
    let text = cause.to_string();
    text.lines().next().and_then(|line| line.split(". ").next()).unwrap_or_default().to_owned()
}

fn is_for_want_of_credentials(error: &(dyn Error + 'static)) -> bool {
    // The type of that error has no name in the crates that we depend on; what a provider of credentials gives has it.
    fn any_is_what<F, E>(_gives: fn(&'static SharedCredentialsProvider) -> F, error: &(dyn Error + 'static)) -> bool
    where
        F: Future<Output = Result<Credentials, E>>,
        E: Error + 'static,
    {
        causes(error).any(|cause| cause.is::<E>())
    }
    any_is_what(SharedCredentialsProvider::provide_credentials, error)
}

fn from_code(code: &str, message: &str, status: u16, doing: &str, on: &str) -> ProviderError {
    match code {
        "RequestLimitExceeded" | "RequestThrottled" => ProviderError::Throttled { provider: AWS, code: code.to_owned() },
        _ if code.starts_with("Throttl") => ProviderError::Throttled { provider: AWS, code: code.to_owned() },
        "InvalidPermission.Duplicate" => ProviderError::Duplicate,
        "InvalidGroup.NotFound" | "InvalidGroupId.Malformed" | "InvalidSecurityGroupID.NotFound" => {
            ProviderError::Missing { what: on.to_owned() }
        }
        "UnauthorizedOperation" | "AuthFailure" | "InvalidClientTokenId" | "OptInRequired" | "UnrecognizedClientException" => {
            denied(code, doing, on)
        }
        _ if code.starts_with("AccessDenied") || code.starts_with("ExpiredToken") => denied(code, doing, on),
        "RulesPerSecurityGroupLimitExceeded" => {
            ProviderError::QuotaReached { quota: "the quota of rules a security group", what: on.to_owned() }
        }
        "TagLimitExceeded" => ProviderError::QuotaReached { quota: "the limit of 50 tags a rule", what: on.to_owned() },
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" => unreachable(code.to_owned()),
        _ if status >= 500 => unreachable(code.to_owned()),
        _ => ProviderError::Rejected { what: format!("{doing} on {on}"), reason: format!("{code}: {message}") },
    }
}

fn denied(code: &str, doing: &str, on: &str) -> ProviderError {
    ProviderError::Denied { what: format!("{doing} on {on}"), code: code.to_owned() }
}

/// Whether a rule that was to be removed is not there any more.
pub(crate) fn is_rule_not_found<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    matches!(code, Some("InvalidSecurityGroupRuleId.NotFound" | "InvalidPermission.NotFound"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::error::ConnectorError;
    use entryguard_core::provider::Next;

    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_the_rest_is_said_at_once() {
        let next = |code| from_code(code, "", 400, "adding rules", "security group sg-1 in eu-west-1").next();
        for code in ["RequestLimitExceeded", "ThrottlingException", "InvalidPermission.Duplicate", "Unavailable"] {
            assert_eq!(next(code), Next::Retry, "{code}");
        }
        assert_eq!(from_code("Whatever", "", 503, "adding rules", "sg-1").next(), Next::Retry);
        for code in ["InvalidGroup.NotFound", "UnauthorizedOperation", "RulesPerSecurityGroupLimitExceeded", "Whatever"] {
            assert_eq!(next(code), Next::GiveUp, "{code}");
        }
    }

    #[test]
    fn an_answer_that_was_lost_is_not_taken_for_missing_credentials() {
        let lost = ConnectorError::other("connection closed before message completed".into(), None);
        let error: SdkError<aws_sdk_ec2::Error> = SdkError::dispatch_failure(lost);
        let error = provider_error(&error, "adding rules", "security group sg-1 in eu-west-1");
        assert_eq!(error.next(), Next::Retry);
        insta::assert_snapshot!(error, @"AWS did not answer (connection closed before message completed); EntryGuard keeps trying");
    }

    #[test]
    fn errors_say_what_to_do() {
        let text = |code| from_code(code, "no such thing", 400, "adding rules", "security group sg-1 in eu-west-1").to_string();
        insta::assert_snapshot!(text("InvalidGroup.NotFound"), @"security group sg-1 in eu-west-1 does not exist; correct the resource in the configuration");
        insta::assert_snapshot!(text("UnauthorizedOperation"), @"adding rules on security group sg-1 in eu-west-1 was denied (UnauthorizedOperation); give the credential the rights that `entryguard iam-policy` prints");
        insta::assert_snapshot!(text("RulesPerSecurityGroupLimitExceeded"), @"the quota of rules a security group is reached on security group sg-1 in eu-west-1; remove rules that nobody needs, or ask the provider for more");
        insta::assert_snapshot!(text("InvalidParameterValue"), @"adding rules on security group sg-1 in eu-west-1 was refused: InvalidParameterValue: no such thing");
    }
}
