//! One mount table for each product, as its containers show it, and what has to come of it.

use super::{Candidate, Class, Product, Transport, classify};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name, ".mountinfo")).as_slice()
    };
}

fn points(mounts: &[Candidate]) -> Vec<&str> {
    mounts
        .iter()
        .map(|mount| std::str::from_utf8(&mount.line.mount_point).expect("fixtures are UTF-8"))
        .collect()
}

#[track_caller]
fn at<'m>(mounts: &'m [Candidate], point: &str) -> &'m Candidate {
    let found = mounts
        .iter()
        .find(|mount| mount.line.mount_point == point.as_bytes());
    found.unwrap_or_else(|| panic!("{point} is not among {:?}", points(mounts)))
}

#[track_caller]
fn is(mounts: &[Candidate], point: &str, class: &Class, product: Option<Product>) {
    let mount = at(mounts, point);
    assert_eq!((&mount.class, mount.product), (class, product), "{point}");
}

fn volume(name: &str) -> Class {
    Class::Volume {
        name: Some(name.into()),
    }
}

fn share(transport: Transport) -> Class {
    Class::HostShare { transport }
}

fn root(layers: u32) -> Class {
    Class::ContainerRoot {
        image_layers: Some(layers),
    }
}

#[test]
fn docker_on_linux() {
    let mounts = classify(fixture!("docker-linux"), true);
    assert_eq!(
        points(&mounts),
        [
            "/",
            "/dev/shm",
            "/workspaces/shop",
            "/workspaces/shop/node_modules",
            // A single file like any other: only a look at it tells.
            "/home/node/.ssh/known_hosts",
            "/data",
            "/cache",
            "/scratch",
            "/with space",
            "/models"
        ]
    );
    is(&mounts, "/", &root(7), None);
    is(&mounts, "/dev/shm", &Class::Tmpfs, None);
    is(&mounts, "/workspaces/shop", &Class::NativeBind, None);
    is(
        &mounts,
        "/workspaces/shop/node_modules",
        &volume("shop-node_modules"),
        Some(Product::DockerEngine),
    );
    // Volumes with options of their own show the host's path or a tmpfs, and get mounts from their
    // host.
    is(&mounts, "/data", &Class::Volume { name: None }, None);
    is(&mounts, "/cache", &Class::Volume { name: None }, None);
    is(&mounts, "/scratch", &Class::Tmpfs, None);
    is(&mounts, "/models", &Class::ImageLayer, None);
    assert!(!at(&mounts, "/with space").read_write);
    assert!(!at(&mounts, "/models").read_write);
}

#[test]
fn docker_desktop_on_a_mac() {
    let desktop = Some(Product::DockerDesktopMac);
    let mounts = classify(fixture!("docker-desktop-mac-virtiofs"), true);
    is(&mounts, "/", &root(9), None);
    is(
        &mounts,
        "/workspaces/shop",
        &share(Transport::Virtiofs),
        desktop,
    );
    is(&mounts, "/vscode", &volume("vscode"), desktop);
    is(
        &mounts,
        "/workspaces/shop/target",
        &volume("shop-target"),
        desktop,
    );
    is(&mounts, "/tmp", &Class::Tmpfs, None);

    let mounts = classify(fixture!("docker-desktop-mac-virtiofs0"), true);
    is(&mounts, "/src", &share(Transport::Virtiofs), desktop);
    is(&mounts, "/vol", &volume("build"), desktop);

    let mounts = classify(fixture!("docker-desktop-mac-grpcfuse"), true);
    is(
        &mounts,
        "/workspaces/shop",
        &share(Transport::GrpcFuse),
        desktop,
    );
    is(&mounts, "/vol", &volume("gocache"), desktop);

    let mounts = classify(fixture!("docker-desktop-mac-osxfs"), true);
    is(&mounts, "/app", &share(Transport::Osxfs), desktop);
}

#[test]
fn docker_desktop_on_windows() {
    let desktop = Some(Product::DockerDesktopWindows);
    let mounts = classify(fixture!("docker-desktop-windows"), true);
    let windows = at(&mounts, "/workspaces/shop");
    assert_eq!(windows.class, share(Transport::NineP));
    assert_eq!(windows.line.source, b"C:\\");
    assert_eq!(windows.product, desktop);
    is(&mounts, "/vscode", &volume("vscode"), desktop);

    // A path of the Linux side is a disk's directory, and nothing in its line tells whose.
    let mounts = classify(fixture!("docker-desktop-wsl"), true);
    is(&mounts, "/workspaces/shop", &Class::NativeBind, None);
    is(&mounts, "/vol", &volume("shop"), desktop);
}

#[test]
fn orbstack() {
    let mounts = classify(fixture!("orbstack"), true);
    let orbstack = Some(Product::OrbStack);
    is(
        &mounts,
        "/workspaces/shop",
        &share(Transport::Virtiofs),
        orbstack,
    );
    is(&mounts, "/vol", &volume("shop"), orbstack);
}

#[test]
fn colima_and_lima() {
    let lima = Some(Product::Lima);
    let mounts = classify(fixture!("colima-virtiofs"), true);
    is(
        &mounts,
        "/workspaces/shop",
        &share(Transport::Virtiofs),
        lima,
    );
    is(
        &mounts,
        "/vol",
        &volume("shop"),
        Some(Product::DockerEngine),
    );
    let mounts = classify(fixture!("colima-sshfs"), true);
    is(&mounts, "/workspaces/shop", &share(Transport::Sshfs), lima);
    let mounts = classify(fixture!("lima-9p"), true);
    is(&mounts, "/workspaces/shop", &share(Transport::NineP), lima);
}

#[test]
fn podman_machine() {
    let mounts = classify(fixture!("podman-machine"), true);
    is(&mounts, "/", &root(4), None);
    is(
        &mounts,
        "/workspaces/shop",
        &share(Transport::Virtiofs),
        Some(Product::PodmanMachine),
    );
    is(&mounts, "/vol", &volume("shop"), Some(Product::Podman));
    assert!(!points(&mounts).contains(&"/run/.containerenv"));
}

#[test]
fn codespaces() {
    let mounts = classify(fixture!("codespaces"), true);
    assert_eq!(
        points(&mounts),
        [
            "/",
            "/dev/shm",
            "/workspaces",
            "/tmp",
            "/vscode",
            "/workspaces/.codespaces/shared",
            "/var/lib/docker"
        ]
    );
    let codespaces = Some(Product::Codespaces);
    is(&mounts, "/workspaces", &Class::NativeBind, codespaces);
    is(&mounts, "/tmp", &Class::NativeBind, None);
    is(
        &mounts,
        "/var/lib/docker",
        &volume("dind-var-lib-docker-0k3"),
        Some(Product::DockerEngine),
    );
    assert!(!at(&mounts, "/vscode").read_write);
    // /tmp is a mount of its own, so that the root's place for a test is another.
    assert_eq!(
        at(&mounts, "/").directories,
        [b"/var/tmp".to_vec(), b"/".to_vec()]
    );
    assert_eq!(at(&mounts, "/tmp").directories, [b"/tmp".to_vec()]);
}

#[test]
fn a_machine_that_is_no_container() {
    let mounts = classify(fixture!("machine"), false);
    assert_eq!(
        points(&mounts),
        [
            "/run",
            "/",
            "/dev/shm",
            "/run/lock",
            "/boot/efi",
            "/home",
            "/srv/src",
            "/snap/core22/1380",
            "/net/build",
            "/var/lib/docker/overlay2/3f9a/merged",
            "/run/user/1000",
            "/mnt/hidden",
            "/home/ana/remote"
        ]
    );
    is(&mounts, "/", &Class::Other, None);
    is(&mounts, "/home", &Class::Other, None);
    is(&mounts, "/srv/src", &Class::NativeBind, None);
    is(&mounts, "/net/build", &Class::Other, None);
    assert_eq!(
        at(&mounts, "/net/build").note,
        Some("a network file system")
    );
    is(&mounts, "/mnt/hidden", &Class::Tmpfs, None);
    // Somebody's own sshfs is no product's.
    is(&mounts, "/home/ana/remote", &share(Transport::Sshfs), None);
    assert_eq!(
        at(&mounts, "/").directories,
        [b"/var/tmp".to_vec(), b"/tmp".to_vec(), b"/".to_vec()]
    );
}

#[test]
fn the_windows_subsystem_for_linux() {
    let mounts = classify(fixture!("wsl"), false);
    is(
        &mounts,
        "/mnt/c",
        &share(Transport::NineP),
        Some(Product::Wsl),
    );
    is(
        &mounts,
        "/usr/lib/wsl/drivers",
        &share(Transport::NineP),
        None,
    );
    is(&mounts, "/", &Class::Other, None);
}

#[test]
fn an_overlay_root_tells_that_this_is_a_container() {
    let told = classify(fixture!("docker-linux"), true);
    let found = classify(fixture!("docker-linux"), false);
    assert_eq!(told, found);
}

#[test]
fn a_root_that_is_no_overlay_is_the_containers_all_the_same() {
    let text = b"61 50 8:1 /var/lib/docker/vfs/dir/3fa0 / rw - ext4 /dev/sda1 rw\n\
                 62 61 8:1 /volumesX/a/_data /x rw - ext4 /dev/sda1 rw\n\
                 63 61 8:1 /srv/volumes/a/_data/sub /y rw - ext4 /dev/sda1 rw\n\
                 64 61 0:9 / /z rw - fuse.glusterfs g rw\n\
                 65 61 0:10 / /i ro - erofs /dev/loop0 ro\n";
    let mounts = classify(text, true);
    is(
        &mounts,
        "/",
        &Class::ContainerRoot { image_layers: None },
        Some(Product::DockerEngine),
    );
    is(&mounts, "/x", &Class::NativeBind, None);
    is(&mounts, "/y", &volume("a"), None);
    is(&mounts, "/z", &Class::Other, None);
    is(&mounts, "/i", &Class::ImageLayer, None);
    assert!(at(&mounts, "/i").directories.is_empty());
}

#[test]
fn newer_engines_list_each_layer_by_itself() {
    let text =
        b"1 0 0:9 / / rw - overlay overlay rw,lowerdir+=/a,lowerdir+=/b,upperdir=/u,workdir=/w\n";
    is(&classify(text, false), "/", &root(2), None);
}

#[test]
fn text_that_is_no_mount_table_has_no_candidates() {
    assert_eq!(classify(b"", true), []);
    assert_eq!(classify(b"\xff\n- - -\n1 2 3\n", false), []);
}
