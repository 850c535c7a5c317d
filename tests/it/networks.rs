//! The table of networks that are refused is what IANA's registries give, and what makes it notices every difference.

use std::path::{Path, PathBuf};

use tokio::process::Command;

const TABLE: &str = "core/src/domain/special_networks.tsv";
const FILES: [&str; 4] = [TABLE, "tests/networks.py", "tests/iana/ipv4.csv", "tests/iana/ipv6.csv"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Whether the table in a checkout is what the registries beside it give, and what is said of it.
async fn compares(checkout: &Path, options: &[&str]) -> (bool, String) {
    let mut command = Command::new("python3");
    command.arg("tests/networks.py").args(options).args(&FILES[2..]).current_dir(checkout);
    let output = command.output().await.expect("Python starts");
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), out + &err)
}

/// A checkout to change.
fn checkout() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for file in FILES {
        let copy = place.path().join(file);
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(root().join(file), copy).unwrap();
    }
    place
}

fn change(checkout: &Path, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(checkout.join(file)).unwrap();
    assert!(text.contains(from), "{from:?} is not in {file}");
    std::fs::write(checkout.join(file), text.replacen(from, to, 1)).unwrap();
}

#[tokio::test]
async fn the_table_is_what_the_registries_give() {
    let (same, said) = compares(&root(), &[]).await;
    assert!(same, "{said}");
    let table = std::fs::read_to_string(root().join(TABLE)).unwrap();
    let date = table.split("as of ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let security = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    assert!(security.contains(&format!("IANA's registries of {date}")), "SECURITY.md has another date than {date}");
}

#[tokio::test]
async fn a_block_that_the_registries_gain_or_lose_is_told_and_the_table_is_written_with_it() {
    let place = checkout();
    let more = "192.0.0.0/24 [2],IETF";
    change(place.path(), FILES[2], more, &format!("\"8.0.0.0/9 [7], 9.0.0.0/8\",New Purpose,[RFC9999],2026-01\n{more}"));
    change(place.path(), FILES[3], "3fff::/20,Documentation,[RFC9637],2024-07,N/A,False,False,False,False,False\n", "");
    let (same, said) = compares(place.path(), &[]).await;
    let unknown = "unusable\ta special-purpose address\tNew Purpose\tRFC 9999";
    for line in
        [&format!("+ 8.0.0.0/9\t{unknown}"), &format!("+ 9.0.0.0/8\t{unknown}"), "- 3fff::/20\t", "new: 8.0.0.0/9 (New Purpose)"]
    {
        assert!(!same && said.contains(line), "{line}: {said}");
    }
    let before = std::fs::read_to_string(place.path().join(TABLE)).unwrap();
    assert!(!before.contains("New Purpose"), "nothing is written that nobody asked for");
    let (written, said) = compares(place.path(), &["--write", "--date", "2026-02-03"]).await;
    assert!(written, "{said}");
    let table = std::fs::read_to_string(place.path().join(TABLE)).unwrap();
    assert!(
        table.contains("as of 2026-02-03,")
            && table.contains(&format!("\n8.0.0.0/9\t{unknown}\n"))
            && !table.contains("3fff::/20")
    );
    assert!(compares(place.path(), &[]).await.0);
}

#[tokio::test]
async fn a_table_that_was_edited_or_a_file_that_is_no_registry_is_not_taken() {
    let place = checkout();
    change(place.path(), TABLE, "10.0.0.0/8\tprivate", "10.0.0.0/8\tunusable");
    assert!(!compares(place.path(), &[]).await.0);
    // The order counts, too: the first block that has an address says what it is.
    let place = checkout();
    change(place.path(), TABLE, "2001::/32\t", "2001::/33\t");
    assert!(!compares(place.path(), &[]).await.0);
    let place = checkout();
    std::fs::write(place.path().join(FILES[2]), "Address Block,Name,RFC\n").unwrap();
    let (taken, said) = compares(place.path(), &["--write"]).await;
    assert!(!taken && said.contains("it is not a registry"), "{said}");
    std::fs::write(place.path().join(FILES[2]), "<html>Try again later</html>\n<p>Sorry</p>\n").unwrap();
    assert!(!compares(place.path(), &["--write"]).await.0);
    let same = |file: &str| std::fs::read(place.path().join(file)).unwrap() == std::fs::read(root().join(file)).unwrap();
    assert!(same(TABLE), "the table is as it was");
}
