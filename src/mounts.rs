//! `fsreplay mounts`: the mounts on which a tool's files could lie.

use fsreplay_replayer::mounts::{Class, Probed, Survey, survey};
use fsreplay_results::mounts::{Mount, Mounts};
use fsreplay_results::{Document, SCHEMA_VERSION};

use crate::args::MountsArgs;
use crate::exit::{self, Failure};
use crate::say;
use crate::term::{self, Text};
use crate::text;

/// Runs the command.
pub fn run(args: &MountsArgs) -> Result<(), Failure> {
    let survey = survey().map_err(|error| Failure::new(exit::FAILURE, exit::chain(&error)))?;
    match &args.json {
        Some(path) => term::write_json(path, &Document::Mounts(describe(&survey))),
        None => term::print(&text(&survey)),
    }
}

fn describe(survey: &Survey) -> Mounts {
    Mounts {
        schema_version: SCHEMA_VERSION,
        container: survey.container,
        mounts: survey.mounts.iter().map(mount).collect(),
    }
}

fn mount(probed: &Probed) -> Mount {
    let candidate = &probed.candidate;
    let line = &candidate.line;
    let mut volume = None;
    let mut transport = None;
    let mut image_layers = None;
    let class = match &candidate.class {
        Class::ContainerRoot {
            image_layers: count,
        } => {
            image_layers = *count;
            "container-root"
        }
        Class::ImageLayer => "image-layer",
        Class::NativeBind => "native-bind",
        Class::HostShare { transport: by } => {
            transport = Some(by.key().to_owned());
            "host-share"
        }
        Class::Volume { name } => {
            volume.clone_from(name);
            "volume"
        }
        Class::Tmpfs => "tmpfs",
        Class::Other => "other",
    };
    Mount {
        mount_point: lossy(&line.mount_point),
        class: class.to_owned(),
        volume,
        transport,
        image_layers,
        product: candidate.product.map(|product| product.key().to_owned()),
        fs_type: line.fs_type.clone(),
        source: lossy(&line.source),
        root: lossy(&line.root),
        options: line.options.clone(),
        read_only: !candidate.read_write,
        suggested_directory: probed
            .writable_directory
            .as_ref()
            .map(|path| path.display().to_string()),
        free_bytes: probed.free_bytes,
        total_bytes: probed.total_bytes,
        free_inodes: probed.free_inodes,
        folds_case: probed.folds_case,
        note: candidate.note.map(str::to_owned),
    }
}

/// For people only: what isn't UTF-8 is shown with replacement characters.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text(survey: &Survey) -> Text {
    let rows = survey.mounts.iter().map(row).collect();
    let table = term::aligned_table(
        &["mount", "what it is", "type", "free", "writable", "test on"],
        rows,
        |column| column == 3,
    );
    let place = if survey.container {
        "in a container"
    } else {
        "not in a container"
    };
    let mut out = text!("{}\n\n{} mounts, {}\n", table, survey.mounts.len(), place);
    for mount in survey
        .mounts
        .iter()
        .filter(|mount| mount.folds_case == Some(true))
    {
        let point = &mount.candidate.line.mount_point;
        say!(
            out,
            "note: {}: names that differ in case only are one name there",
            point
        );
    }
    for mount in &survey.mounts {
        if let Some(note) = mount.candidate.note {
            let point = &mount.candidate.line.mount_point;
            say!(out, "note: {}: {}", point, note);
        }
    }
    out
}

fn row(mount: &Probed) -> Vec<String> {
    let candidate = &mount.candidate;
    let mut what = candidate.class.title();
    if let Class::ContainerRoot {
        image_layers: Some(count),
    } = candidate.class
    {
        // Those of the image, and on some engines one more of their own.
        what.push_str(&format!(
            " on {}",
            term::counted(count.into(), "layer", "layers")
        ));
    }
    if let Some(product) = candidate.product {
        what.push_str(&format!(", {}", product.name()));
    }
    let writable = match (&mount.writable_directory, candidate.read_write) {
        (Some(_), _) => "yes",
        (None, true) => "not by you",
        (None, false) => "read-only",
    };
    let directory = mount.writable_directory.as_ref();
    vec![
        lossy(&candidate.line.mount_point),
        what,
        candidate.line.fs_type.clone(),
        mount.free_bytes.map_or("–".into(), term::bytes),
        writable.into(),
        directory.map_or("–".into(), |path| path.display().to_string()),
    ]
}
