//! What is taken for a secret, and what is said of what is not.

use secrecy::ExposeSecret;

use super::*;

fn fetched(source: &SecretSource, value: &str) -> Result<(String, Vec<String>), String> {
    let env = |_: &str| Some(value.to_owned());
    let secrets = Secrets::new(&env);
    let secret = source.resolve("[x] token", &secrets).map_err(|error| error.to_string())?;
    Ok((secret.expose_secret().to_owned(), secrets.into_warnings()))
}

fn both(value: &str) -> [Result<(String, Vec<String>), String>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, value).unwrap();
    [SecretSource::Env("TOKEN".to_owned()), SecretSource::File(path)].map(|source| fetched(&source, value))
}

#[test]
fn the_line_break_at_the_end_of_a_file_is_no_part_of_the_secret() {
    for value in ["hunter2", "hunter2\n", "hunter2\r\n", "hunter2\n\n"] {
        for found in both(value) {
            assert_eq!(found, Ok(("hunter2".to_owned(), Vec::new())), "{value:?}");
        }
    }
    for found in both("a secret/of+words") {
        assert_eq!(found.unwrap().0, "a secret/of+words");
    }
}

#[test]
fn what_no_secret_has_in_it_is_refused_with_its_key_and_what_to_do_and_is_not_repeated() {
    for (value, why) in [
        ("", "is empty"),
        ("\n", "is empty"),
        ("\u{feff}hunter2", "byte order mark"),
        ("hunter2\nhunter2", "line break"),
        ("hunter2\r\nhunter2\n", "line break"),
        ("\nhunter2", "line break"),
        (" hunter2", "a space at its beginning"),
        ("hunter2 ", "a space at its beginning or its end"),
        ("hunter2 \n", "a space at its beginning or its end"),
        ("hunter2\t", "control character"),
        ("hunter2\0", "control character"),
        ("hunter2\u{1b}[0m", "control character"),
        ("hunter2\u{200b}", "invisible"),
        ("hunter2\u{a0}", "invisible"),
    ] {
        for found in both(value) {
            let said = found.unwrap_err();
            assert!(said.starts_with("[x] token: ") && said.contains(why) && !said.contains("hunter2"), "{value:?}: {said}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("utf16");
    std::fs::write(&path, [0xff, 0xfe, b'h', 0]).unwrap();
    assert!(fetched(&SecretSource::File(path), "").unwrap_err().contains("no UTF-8 text"));
}

#[test]
fn quotation_marks_around_a_secret_are_told_of() {
    for value in ["\"hunter2\"", "'hunter2'", "\u{201c}hunter2\u{201d}", "\"hunter2", "hunter2'"] {
        for found in both(value) {
            let (secret, warnings) = found.unwrap();
            assert_eq!(secret, value, "it is taken as it stands");
            let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
            assert!(warning.starts_with("[x] token: ") && warning.contains("quotation marks") && !warning.contains("hunter2"));
        }
    }
    for found in both("hun\"ter'2") {
        assert!(found.unwrap().1.is_empty());
    }
}

#[test]
fn a_secret_in_the_place_of_its_name_is_not_repeated() {
    let refused = |source: SecretSource| {
        let nothing = |_: &str| None;
        source.resolve("[x] token", &Secrets::new(&nothing)).unwrap_err().to_string()
    };
    for secret in ["xoxb-hunter2", "hunter2", "8f742231b10e8888abcd99yyyzzz85a5", "whsec_hunter2+/="] {
        let said = refused(SecretSource::Env(secret.to_owned()));
        assert!(said.starts_with("[x] token: ") && !said.contains(secret), "{said}");
        let said = refused(SecretSource::File(secret.into()));
        assert!(said.starts_with("[x] token: ") && !said.contains(secret), "{said}");
    }
    let said = refused(SecretSource::Env("SLACK_TOKEN".to_owned()));
    assert_eq!(said, "[x] token: the environment variable SLACK_TOKEN is not set");
    let said = refused(SecretSource::File("/run/secrets/none".into()));
    assert!(said.contains("/run/secrets/none cannot be read"), "{said}");
}

#[test]
fn a_secret_is_a_regular_file_of_some_size_and_not_behind_another_users_link() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let resolved = |name: &str| {
        let secrets = Secrets::new(&|_| None);
        SecretSource::File(at.join(name)).resolve("[slack] bot_token", &secrets).map(drop).map_err(|error| error.to_string())
    };
    std::fs::write(at.join("good"), "xoxb\n").unwrap();
    // As Kubernetes mounts secrets.
    std::os::unix::fs::symlink("good", at.join("link")).unwrap();
    assert_eq!((resolved("good"), resolved("link")), (Ok(()), Ok(())));
    std::fs::File::create(at.join("huge")).unwrap().set_len(1 << 30).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at.join("zero")).unwrap();
    for (name, why) in [("huge", "more than"), ("zero", "a device"), ("missing", "cannot be read"), (".", "a folder")] {
        let refused = resolved(name).unwrap_err();
        assert!(refused.contains(why) && refused.starts_with("[slack] bot_token: "), "{refused}");
    }
}
