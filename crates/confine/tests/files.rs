//! Which files a confined program reaches.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use orchestrator_confine::Confinement;
use support::{Place, can_confine};

const DENIED: &str = "ermission denied";

#[tokio::test]
async fn what_it_was_given_can_be_read_and_written_and_executed() {
    let place = Place::new();
    let script = "echo '#!/bin/sh\necho made' > x && chmod +x x && ./x && mkdir d && mv x d/y && rm -r d && cat /etc/passwd >/dev/null";
    place.confined(script).await.succeeded("made");
}

#[tokio::test]
async fn what_it_was_not_given_cannot_be_read() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    for path in ["$DATA/secret", "../data/secret", "/proc/self/root/$DATA/secret", "/proc/self/cwd/../data/secret"] {
        place.confined(&format!("cat {path}")).await.was_refused(DENIED);
    }
    place.confined("ls $DATA").await.was_refused(DENIED);
    place.free("cat $DATA/secret").await.succeeded("s3cret");
}

#[tokio::test]
async fn what_it_was_not_given_cannot_be_changed() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    for script in [
        "echo x > $DATA/new",
        "echo x > $DATA/secret",
        "truncate -s 0 $DATA/secret",
        "rm $DATA/secret",
        "mkdir $DATA/d",
        "mv $DATA/secret .",
        "echo x > mine && mv mine $DATA/",
        "ln -s /etc/passwd $DATA/link",
    ] {
        let ran = place.confined(script).await;
        assert!(!ran.exit.is_success(), "{script}: {}", ran.printed);
    }
    assert_eq!(fs::read_to_string(place.data().join("secret")).unwrap(), "s3cret");
    assert_eq!(fs::read_dir(place.data()).unwrap().count(), 1);
    place.free("echo x > $DATA/new && rm $DATA/new").await.succeeded("");
}

#[tokio::test]
async fn a_link_leads_nowhere_else() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    symlink(place.data(), place.work().join("out")).unwrap();
    place.confined("cat out/secret").await.was_refused(DENIED);
    place.confined("echo x > out/new").await.was_refused(DENIED);
    // A hard link would be the same file under a name that may be read.
    let ran = place.confined("ln $DATA/secret here && cat here").await;
    assert!(!ran.exit.is_success(), "{}", ran.printed);
    place.free("cat out/secret && ln $DATA/secret here && cat here").await.succeeded("s3crets3cret");
}

#[tokio::test]
async fn what_is_readable_cannot_be_written_and_what_is_hidden_in_it_cannot_be_read() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    let root = place.data().parent().unwrap().to_owned();
    fs::write(place.data().join("../open"), "open").unwrap();
    let mut confinement = place.confinement();
    confinement.readable.push(root);
    place.within("cat $DATA/secret ../open", &confinement).await.succeeded("s3cretopen");
    place.within("echo x > ../open", &confinement).await.was_refused(DENIED);
    confinement.hidden.push(place.data());
    place.within("cat ../open", &confinement).await.succeeded("open");
    place.within("cat $DATA/secret", &confinement).await.was_refused(DENIED);
}

#[tokio::test]
async fn a_workspace_that_has_become_a_link_is_refused() {
    if !can_confine() {
        return;
    }
    use orchestrator_process::Mode;
    let place = Place::new();
    let spec =
        support::launcher(Mode::Required).confine(place.shell("cat $DATA/secret"), &place.confinement()).unwrap();
    fs::rename(place.work(), place.work().with_extension("moved")).unwrap();
    symlink(place.data(), place.data().parent().unwrap().join("work")).unwrap();
    support::run(spec).await.was_refused("cannot be given to it");
}

#[tokio::test]
async fn a_program_that_may_not_be_executed_is_not() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    let program = place.data().join("program");
    fs::write(&program, "#!/bin/sh\necho ran\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    place.confined("$DATA/program").await.was_refused(DENIED);
    let without = Confinement {
        executable: vec!["/usr".into(), "/bin".into(), "/lib".into(), "/lib64".into()],
        ..place.confinement()
    };
    place.within("cp /bin/true x && ./x", &without).await.was_refused(DENIED);
}

#[tokio::test]
async fn devices_cannot_be_made_or_opened() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    for script in ["mknod disk b 8 0", "mknod null c 1 3", "head -c1 /dev/mem", "head -c1 /dev/kmsg", "ls /dev/pts"] {
        let ran = place.confined(script).await;
        assert!(!ran.exit.is_success(), "{script}: {}", ran.printed);
    }
    place.confined("echo x > /dev/null && head -c1 /dev/urandom > /dev/null").await.succeeded("");
}
