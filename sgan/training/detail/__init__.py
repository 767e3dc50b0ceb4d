"""The training of the detail network: settings, state, and the loop of events."""
