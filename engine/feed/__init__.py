"""From the files of a data folder to the data of each moment.

`bar_files` and `auxiliary_files` read; `subscriptions` adjusts one series and fills it forward
(`fill_forward`); `data_feed` merges all by time; `universe_selection` says which there are;
`history` answers requests for past bars; `consolidators` make longer bars.
"""
