//! What an engine depends on, for the cache.

use gpu::cuda::{Device, Status};

use super::library::{Product, Version};
use super::profile::Profile;
use crate::cache::Key;
use crate::options::{Precision, TensorRtOptions};

/// What the key is made of besides the model.
pub(super) struct Basis<'a> {
    pub product: Product,
    pub library: Version,
    pub device: &'a Device,
    pub driver: String,
    pub precision: Precision,
    pub profiles: &'a [Profile],
    pub options: &'a TensorRtOptions,
}

/// The installed driver and the CUDA version that it brings.
pub(super) fn driver(status: &Status) -> String {
    let release = gpu::cuda::driver_release().unwrap_or_else(|| "unknown".to_owned());
    format!("{release}, CUDA {}.{}", status.driver.0, status.driver.1)
}

/// The key of the engine of the model with this digest. An engine that is made to be carried to another release, driver or
/// GPU does not depend on them.
pub(super) fn of(model: String, basis: &Basis<'_>) -> Key {
    let Basis { product, library, device, driver, precision, profiles, options } = basis;
    let (builder, driver) = match options.version_compatible {
        true => (format!("{product} {}, version-compatible", library.0), "any".to_owned()),
        false => (format!("{product} {library}"), driver.clone()),
    };
    let device = match options.hardware_compatible {
        true => "Ampere and newer".to_owned(),
        false => class(device),
    };
    let profile = profiles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Key { model, builder, device, driver, precision: precision.to_string(), profile, flags: flags(options) }
}

/// What two devices have in common that run the same engine equally well.
fn class(device: &Device) -> String {
    let Device { name, capability: (major, minor), multiprocessors, memory, .. } = device;
    format!("{name}, sm_{major}{minor}, {multiprocessors} multiprocessors, {} MiB", memory >> 20)
}

fn flags(options: &TensorRtOptions) -> String {
    let workspace = match options.workspace_mib {
        0 => "default".to_owned(),
        mib => format!("{mib} MiB"),
    };
    let level = options.optimization_level.map_or("default".to_owned(), |level| level.to_string());
    format!("no TF32, workspace {workspace}, optimization level {level}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device {
            ordinal: 0,
            name: "GPU".to_owned(),
            uuid: String::new(),
            capability: (9, 0),
            multiprocessors: 132,
            memory: 80 << 30,
            integrated: false,
            pageable_access: false,
            host_page_tables: false,
        }
    }

    fn key(change: impl FnOnce(&mut Basis<'_>, &mut TensorRtOptions)) -> Key {
        let (device, unset) = (device(), TensorRtOptions::default());
        let mut options = unset.clone();
        let mut basis = Basis {
            product: Product::TensorRt,
            library: Version(11, 4, 0),
            device: &device,
            driver: "580".to_owned(),
            precision: Precision::Model,
            profiles: &[],
            options: &unset,
        };
        change(&mut basis, &mut options);
        of("m".to_owned(), &Basis { options: &options, ..basis })
    }

    #[test]
    fn whatever_changes_the_engine_changes_the_key() {
        let base = key(|_, _| ());
        let changes: [fn(&mut Basis<'_>, &mut TensorRtOptions); 9] = [
            |basis, _| basis.product = Product::Rtx,
            |basis, _| basis.library = Version(11, 4, 1),
            |basis, _| basis.driver = "590".to_owned(),
            |basis, _| basis.precision = Precision::F16,
            |_, options| options.workspace_mib = 64,
            |_, options| options.optimization_level = Some(5),
            |_, options| options.version_compatible = true,
            |_, options| options.hardware_compatible = true,
            |basis, options| {
                options.version_compatible = true;
                basis.precision = Precision::F32;
            },
        ];
        for (index, change) in changes.into_iter().enumerate() {
            assert_ne!(key(change).digest(), base.digest(), "change {index}");
        }
        assert_eq!(key(|_, options| options.cache = Some("/elsewhere".into())), base);
    }

    #[test]
    fn what_can_be_carried_does_not_depend_on_where_it_is_run() {
        let carried = |library, driver: &str| {
            key(|basis, options| {
                (basis.library, basis.driver) = (library, driver.to_owned());
                (options.version_compatible, options.hardware_compatible) = (true, true);
            })
        };
        assert_eq!(carried(Version(11, 4, 0), "580"), carried(Version(11, 6, 2), "600"));
        assert_ne!(carried(Version(11, 4, 0), "580"), carried(Version(12, 0, 0), "580"));
    }
}
