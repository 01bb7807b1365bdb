//! Which system this is, for the commands that mend things.

use serde::{Deserialize, Serialize};

use super::environment::Environment;

/// Systems whose commands differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// Debian and what is made from it.
    Debian,
    /// Ubuntu and what is made from it.
    Ubuntu,
    /// NVIDIA's system for DGX machines, DGX Spark among them.
    DgxOs,
    /// NVIDIA's system for Jetson modules.
    JetPack,
    /// Anything else.
    #[default]
    Other,
}

/// The system's name for people and its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Whose commands apply.
    pub system: System,
    /// Such as "Debian GNU/Linux 13 (trixie)".
    pub name: String,
}

impl Platform {
    /// Asks the system's own files.
    pub fn detect(environment: &Environment) -> Self {
        let release = environment.read("/etc/os-release").unwrap_or_default();
        let name = value(&release, "PRETTY_NAME").unwrap_or("unknown system").to_owned();
        if let Some(dgx) = environment.read("/etc/dgx-release") {
            let version = value(&dgx, "DGX_SWBUILD_VERSION").unwrap_or_default();
            return Self { system: System::DgxOs, name: format!("DGX OS {version} on {name}") };
        }
        if let Some(board) = jetson(environment) {
            return Self { system: System::JetPack, name: format!("{board}, {name}") };
        }
        Self { system: like(&release), name }
    }
}

/// The board, where it is a Jetson.
fn jetson(environment: &Environment) -> Option<String> {
    let model = environment.read("/proc/device-tree/model");
    let model =
        model.filter(|model| model.contains("Jetson") || model.contains("Orin") || model.contains("Thor"));
    let release = environment.read("/etc/nv_tegra_release").map(|_| "Jetson".to_owned());
    model.or(release)
}

fn like(release: &str) -> System {
    let own = value(release, "ID").unwrap_or_default();
    let family = value(release, "ID_LIKE").unwrap_or_default();
    let mut names = std::iter::once(own).chain(family.split(' '));
    names.find_map(known).unwrap_or_default()
}

fn known(id: &str) -> Option<System> {
    match id {
        "ubuntu" => Some(System::Ubuntu),
        "debian" => Some(System::Debian),
        _ => None,
    }
}

/// The value of `key` in lines like `KEY="value"`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    lines.find(|(name, _)| *name == key).map(|(_, value)| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(files: &[(&str, &str)]) -> Platform {
        let root = tempfile::tempdir().unwrap();
        Platform::detect(&Environment::fake(root.path(), files, &[]))
    }

    const UBUNTU: (&str, &str) =
        ("/etc/os-release", "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nID=ubuntu\nID_LIKE=debian\n");

    #[test]
    fn each_system_is_told_by_its_own_files() {
        let debian =
            detect(&[("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\n")]);
        assert_eq!((debian.system, debian.name.as_str()), (System::Debian, "Debian GNU/Linux 13 (trixie)"));
        assert_eq!(detect(&[UBUNTU]).system, System::Ubuntu);
        let dgx = detect(&[
            UBUNTU,
            ("/etc/dgx-release", "DGX_NAME=\"DGX Spark\"\nDGX_SWBUILD_VERSION=\"7.2.3\"\n"),
        ]);
        assert_eq!((dgx.system, dgx.name.as_str()), (System::DgxOs, "DGX OS 7.2.3 on Ubuntu 24.04.1 LTS"));
        assert_eq!(detect(&[UBUNTU, ("/etc/nv_tegra_release", "# R36")]).system, System::JetPack);
        let board = detect(&[UBUNTU, ("/proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0")]);
        assert_eq!(board.name, "NVIDIA Jetson AGX Orin Developer Kit, Ubuntu 24.04.1 LTS");
    }

    #[test]
    fn relatives_and_strangers() {
        assert_eq!(
            detect(&[("/etc/os-release", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"")]).system,
            System::Ubuntu
        );
        assert_eq!(detect(&[("/etc/os-release", "ID=fedora")]).system, System::Other);
        assert_eq!(detect(&[]), Platform { system: System::Other, name: "unknown system".into() });
    }
}
