using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>The label's part of the time and label embedding, which is what DDPM (Ho et al. 2020) lacks.</summary>
internal static class LabelEmbedding
{
    /// <summary>Returns the embedding of each label: its row of the table, or zeros where it has none.</summary>
    /// <param name="table">The label embedding table, (labels, D).</param>
    /// <param name="labels">Rows of the table, int64 (B); negative for no label (<see cref="LabelRow.None"/>).</param>
    /// <returns>The embeddings, (B, D).</returns>
    public static Tensor Lookup(Tensor table, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var rows = table.index_select(0, labels.clamp_min(Numbers.Zero));                   // B D
        var isLabelled = labels.ge(Numbers.Zero).unsqueeze(1);                              // B 1
        return (rows * isLabelled).MoveToOuterDisposeScope();
    }
}
