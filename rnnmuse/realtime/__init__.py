"""What must happen in time: the clock, the scheduler, the ledger of sounding notes. Imports no numpy."""
