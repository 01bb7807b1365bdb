//! What the driver says of a device's memory, fact by fact.

use serde::{Deserialize, Serialize};

use super::device::{attribute, handle};
use super::error::Error;

/// One fact about the memory of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryAttribute {
    /// Its name in the driver's API, after `CU_DEVICE_ATTRIBUTE_`.
    pub name: String,
    /// What it means when it is true.
    pub meaning: String,
    /// What the driver says; `None` where it is too old to know.
    pub value: Option<bool>,
}

/// Number, name and meaning of each.
const TABLE: [(i32, &str, &str); 9] = [
    (attribute::INTEGRATED, "INTEGRATED", "CPU and GPU share one physical memory"),
    (attribute::PAGEABLE_ACCESS, "PAGEABLE_MEMORY_ACCESS", "the GPU reads any host memory"),
    (
        attribute::HOST_PAGE_TABLES,
        "PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES",
        "it does so by the host's page tables",
    ),
    (
        attribute::DIRECT_MANAGED,
        "DIRECT_MANAGED_MEM_ACCESS_FROM_HOST",
        "the CPU reads managed memory in place",
    ),
    (attribute::CONCURRENT_MANAGED, "CONCURRENT_MANAGED_ACCESS", "both sides use managed memory at once"),
    (attribute::MANAGED_MEMORY, "MANAGED_MEMORY", "memory=managed works"),
    (attribute::MAPS_HOST_MEMORY, "CAN_MAP_HOST_MEMORY", "memory=mapped works"),
    (attribute::UNIFIED_ADDRESSING, "UNIFIED_ADDRESSING", "one address space, not one memory"),
    (attribute::HOST_REGISTRATION, "HOST_REGISTER_SUPPORTED", "host memory can be pinned after allocation"),
];

/// What the driver says of the memory of device number `ordinal`.
///
/// # Errors
/// When there is no driver or no such device.
pub fn memory_attributes(ordinal: i32) -> Result<Vec<MemoryAttribute>, Error> {
    let device = handle(ordinal)?;
    let fact = |&(number, name, meaning): &(i32, &str, &str)| MemoryAttribute {
        name: name.to_owned(),
        meaning: meaning.to_owned(),
        value: super::device::attribute(device, number).ok().map(|value| value != 0),
    };
    Ok(TABLE.iter().map(fact).collect())
}
