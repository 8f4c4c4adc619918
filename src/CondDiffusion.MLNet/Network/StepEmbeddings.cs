using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// What a network adds to the input of each of its blocks in one run of a sampler: computed once for each step and distinct label, where the
/// steps are asked for in order.
/// </summary>
internal sealed class StepEmbeddings : IDisposable
{
    /// <summary>Steps computed at a time, so that a thousand of them need little memory.</summary>
    private const int Window = 32;

    private readonly IReadOnlyList<Tensor> _layers;
    private readonly ScalarType _type;
    private readonly Tensor _times, _labels, _rows;
    private Tensor? _table;
    private int _window;

    /// <param name="layers">Weight and bias of the two linear layers of each block.</param>
    /// <param name="labelTable">The label table, (labels, D).</param>
    /// <param name="timesteps">The timestep of each step.</param>
    /// <param name="labels">A row of the label table for each image; negative for none.</param>
    /// <param name="type">Of the result.</param>
    public StepEmbeddings(
        IReadOnlyList<Tensor> layers, Tensor labelTable, IReadOnlyList<int> timesteps, ReadOnlySpan<long> labels, ScalarType type)
    {
        (_layers, _type) = (layers, type);
        using var scope = NewDisposeScope();
        var t = tensor([.. timesteps.Select(t => (long)t)], device: labelTable.device);
        var (distinct, rows, _) = tensor(labels.ToArray(), device: labelTable.device).unique(return_inverse: true);
        var embedded = labelTable.index_select(0, distinct.clamp_min(0)) * (distinct >= 0).unsqueeze(1);
        _times = TimestepEmbedding.Encode(t, (int)labelTable.shape[1]).DetachFromDisposeScope();        // S D
        _labels = embedded.DetachFromDisposeScope();                                         // L D
        _rows = rows!.DetachFromDisposeScope();                                              // B
    }

    /// <summary>The embeddings of one step, (B, sum of the blocks' Cin).</summary>
    public Tensor this[int step]
    {
        get
        {
            using var scope = NewDisposeScope();
            if (_table is null || step / Window != _window) Compute(step / Window);
            return _table!.select(0, step % Window).index_select(0, _rows).MoveToOuterDisposeScope();
        }
    }

    public void Dispose()
    {
        _times.Dispose();
        _labels.Dispose();
        _rows.Dispose();
        _table?.Dispose();
    }

    private void Compute(int window)
    {
        _table?.Dispose();
        _window = window;
        var times = _times.narrow(0, window * Window, Math.Min(Window, _times.shape[0] - window * Window));
        // Label by label: the last bit of a matrix product may depend on its size, and an image must not depend on the others' labels.
        var tables = _labels.unbind().Select(label => cat([.. _layers.Chunk(4).Select(layers =>
            functional.linear(functional.linear(times + label, layers[0], layers[1]).relu_(), layers[2], layers[3]))], 1)); // S sum(Cin)
        _table = stack([.. tables], 1).to(_type).DetachFromDisposeScope();                   // S L sum(Cin)
    }
}
