//! Operating the daemon: installed as a service, examined by its doctor, and on a disk that is full.

mod doctor;
mod doctor_encryption;
mod doctor_redis;
mod full_disk;
mod place;
mod plist;
mod service;
