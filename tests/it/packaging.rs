//! What is shipped beside the program: judged by those who know each format, and by what it has to have.

use std::collections::BTreeSet;

use entryguard_tests::{judges, program};
use serde_json::Value;

const MANIFESTS: &str = "packaging/kubernetes";
const UNIT: &str = "packaging/systemd/entryguard.service";

fn kustomization() -> Value {
    judges::yaml(&judges::read(&format!("{MANIFESTS}/kustomization.yaml"))).remove(0)
}

/// Every manifest, and the example of the secret.
fn manifests() -> Vec<(String, Value)> {
    let listed = kustomization()["resources"].as_array().unwrap().clone();
    let listed = listed.iter().map(|file| file.as_str().unwrap().to_owned()).chain(["secret.example.yaml".to_owned()]);
    listed
        .flat_map(|file| {
            judges::yaml(&judges::read(&format!("{MANIFESTS}/{file}"))).into_iter().map(move |one| (file.clone(), one))
        })
        .collect()
}

fn of_kind(kind: &str) -> Value {
    manifests().into_iter().find(|(_, manifest)| manifest["kind"] == kind).unwrap_or_else(|| panic!("no {kind}")).1
}

#[test]
fn kubernetes_takes_the_manifests() {
    for (file, _) in manifests() {
        let (content, words) = judges::judge("kubernetes-validate", &["--strict", &format!("{MANIFESTS}/{file}")]);
        assert!(content, "{words}");
    }
    let place = tempfile::tempdir().unwrap();
    let wrong = place.path().join("wrong.yaml");
    std::fs::write(&wrong, judges::read(&format!("{MANIFESTS}/deployment.yaml")).replace("replicas: 2", "replica: 2")).unwrap();
    assert!(!judges::judge("kubernetes-validate", &["--strict", wrong.to_str().unwrap()]).0, "the judge takes anything");
}

#[test]
fn two_replicas_run_without_rights_and_are_probed_for_what_each_probe_is_for() {
    let deployment = of_kind("Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!((&pod["securityContext"]["runAsNonRoot"], &pod["automountServiceAccountToken"]), (&true.into(), &false.into()));
    let container = &pod["containers"][0];
    let rights = &container["securityContext"];
    assert_eq!((&rights["readOnlyRootFilesystem"], &rights["allowPrivilegeEscalation"]), (&true.into(), &false.into()));
    assert_eq!(rights["capabilities"]["drop"], serde_json::json!(["ALL"]));
    let path = |probe: &str| container[probe]["httpGet"]["path"].as_str().unwrap();
    assert_eq!((path("livenessProbe"), path("startupProbe"), path("readinessProbe")), ("/healthz", "/healthz", "/readyz"));
    for kind in ["PodDisruptionBudget", "NetworkPolicy", "Service"] {
        let spec = &of_kind(kind)["spec"];
        let selected = [&spec["selector"]["matchLabels"], &spec["podSelector"]["matchLabels"], &spec["selector"]];
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert!(selected.contains(&labels), "{kind} selects other pods: {spec}");
    }
}

#[test]
fn the_configuration_of_the_manifests_is_sound_with_the_secret_that_the_example_names() {
    let place = tempfile::tempdir().unwrap();
    for (key, value) in of_kind("Secret")["stringData"].as_object().unwrap() {
        std::fs::write(place.path().join(key), value.as_str().unwrap()).unwrap();
    }
    let mounted = place.path().to_str().unwrap();
    let config = judges::read(&format!("{MANIFESTS}/entryguard.toml")).replace("/run/secrets/entryguard", mounted);
    let file = place.path().join("entryguard.toml");
    std::fs::write(&file, &config).unwrap();
    let ran = std::process::Command::new(program()).args(["check", "--offline", "--config"]).arg(&file).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    // What the deployment opens and mounts is what the file says.
    let container = &of_kind("Deployment")["spec"]["template"]["spec"]["containers"][0];
    for port in container["ports"].as_array().unwrap() {
        assert!(config.contains(&format!("0.0.0.0:{}\"", port["containerPort"])), "{port}");
    }
    assert!(container["volumeMounts"].as_array().unwrap().iter().any(|mount| mount["mountPath"] == "/run/secrets/entryguard"));
}

#[test]
fn the_image_is_not_roots_and_says_how_it_is() {
    let (content, words) = judges::judge("hadolint", &["Dockerfile"]);
    assert!(content, "{words}");
    let dockerfile = judges::read("Dockerfile");
    let of = |instruction: &str| dockerfile.lines().filter(move |line| line.starts_with(instruction)).collect::<Vec<_>>();
    assert_eq!(of("USER "), ["USER 65532:65532"], "a number, so that Kubernetes can tell that it is not root");
    let last = of("FROM ").pop().unwrap();
    assert!(last.contains("distroless") && !last.contains(" AS "), "{last}");
    assert!(dockerfile.contains("cargo build --release --locked"), "it builds what was tested");
    assert!(
        of("HEALTHCHECK ")[0].contains("\"entryguard\", \"health\"")
            || of("HEALTHCHECK ")[0].contains("/entryguard\", \"health\"")
    );
}

#[test]
fn the_image_is_built_from_all_that_the_workspace_has_and_from_nothing_else() {
    let ignored = judges::read(".dockerignore");
    let lines: Vec<_> = ignored.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(lines[0], "*", "nothing gets in by mistake");
    let let_in: BTreeSet<_> = lines.iter().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest = judges::read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    let needed = members.iter().map(|member| member.split('/').next().unwrap());
    let needed: BTreeSet<_> = needed.chain(["Cargo.toml", "Cargo.lock", "migrations"]).collect();
    assert_eq!(let_in, needed);
}

#[test]
fn systemd_takes_the_unit_and_finds_little_that_it_could_do_harm_with() {
    let unit = judges::read(UNIT);
    let hardened = [
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "SystemCallFilter=@system-service",
        "StateDirectory=entryguard",
        "Restart=always",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ];
    for line in hardened {
        assert!(unit.lines().any(|there| there == line), "{line} is missing");
    }
    assert!(unit.contains("\nLoadCredential="), "secrets come from systemd");
    // Where there is no systemd the rest is left to those who have it.
    if std::process::Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("entryguard.service");
    std::fs::write(&file, unit.replace("/usr/local/bin/entryguard", program().to_str().unwrap())).unwrap();
    let file = file.to_str().unwrap();
    let (content, words) = judges::judge("systemd-analyze", &["verify", file]);
    assert!(content && !words.contains("entryguard.service:"), "{words}");
    let (content, words) = judges::judge("systemd-analyze", &["security", "--offline=true", "--threshold=20", file]);
    assert!(content, "{words}");
}
