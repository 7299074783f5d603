SELECT global_sequence
FROM newest
