"""A gated recurrent unit network (Cho et al., EMNLP 2014): torch's own layer and a linear readout."""

from torch import nn

from glifr.definitions import network_of_module


class GRU(nn.Module):
    """Outputs [B,T,O] of inputs [B,T,I]. layers: a setting of its own, which a study may set or search."""

    def __init__(self, in_size, hidden_size, out_size, layers=1):
        super().__init__()
        self.cell = nn.GRU(in_size, hidden_size, layers, batch_first=True)
        self.readout = nn.Linear(hidden_size, out_size)

    def forward(self, inputs):
        sent, _ = self.cell(inputs)
        return self.readout(sent)


gru = network_of_module(GRU, hidden="cell")  # silencing and dropout act on what leaves `cell`
