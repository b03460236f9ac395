"""What people write: jobs and bundles as frozen models, with the place of every complaint."""
