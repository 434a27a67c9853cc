-- Three labels that jump to each other in a ring.
::first:: goto second
::third:: goto first
::second:: goto third
