"""What every case uses: programs built or known to be missing, runs in turn, tables, plots."""
