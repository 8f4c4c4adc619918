using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// The evaluations that classifier-free guidance needs of a batch's rows (Ho and Salimans 2022, arXiv 2207.12598,
/// equation 6): one with the label unless g = 0, and one without unless g = 1. They are done in one batch, first those
/// with labels.
/// </summary>
internal sealed class GuidedRows
{
    private readonly float[] _weights;
    private readonly long[] _evaluated; // the row of each evaluation
    private readonly long[] _labelled; // the evaluation with the label of each row, or else the other one
    private readonly long[] _unlabelled; // the evaluation without the label of each row, or else the other one
    private readonly int _labels;

    /// <param name="scales">
    /// The guidance scale g of each row. 0 ignores the label, 1 is no guidance, and more than 1 strengthens the label.
    /// </param>
    public GuidedRows(IReadOnlyList<float> scales)
    {
        int[] labelled = [.. Enumerable.Range(0, scales.Count).Where(row => scales[row] != 0)];
        int[] unlabelled = [.. Enumerable.Range(0, scales.Count).Where(row => scales[row] != 1)];

        // The paper's w is g - 1.
        _weights = [.. scales.Select(g => g - 1)];
        _labels = labelled.Length;
        _evaluated = [.. labelled.Concat(unlabelled).Select(row => (long)row)];
        _labelled = new long[scales.Count];
        _unlabelled = new long[scales.Count];
        foreach (var (i, row) in unlabelled.Index()) _labelled[row] = _unlabelled[row] = _labels + i;
        foreach (var (i, row) in labelled.Index())
        {
            _labelled[row] = i;
            if (scales[row] == 1) _unlabelled[row] = i;
        }

        Any = unlabelled.Length > 0;
    }

    /// <summary>Whether a row is guided: its g is not 1.</summary>
    public bool Any { get; }

    /// <summary>Returns the label of each evaluation.</summary>
    /// <param name="labels">The label of each row.</param>
    /// <param name="none">What stands for no label.</param>
    public long[] LabelsOf(IReadOnlyList<long> labels, long none) =>
        [.. _evaluated.Select((row, i) => i < _labels ? labels[(int)row] : none)];

    /// <summary>Returns x_t of each evaluation, (E, C, H, W).</summary>
    /// <param name="xt">x_t of each row, (B, C, H, W).</param>
    public Tensor Select(Tensor xt) => xt.index_select(0, Index(_evaluated, xt));

    /// <summary>Returns the guided image of each row, (B, C, H, W).</summary>
    /// <param name="images">The predicted image of each evaluation, (E, C, H, W).</param>
    public Tensor Combine(Tensor images)
    {
        using var scope = NewDisposeScope();
        var withLabel = images.index_select(0, Index(_labelled, images));
        var withoutLabel = images.index_select(0, Index(_unlabelled, images));

        // x_0 = x_0,cond + w (x_0,cond - x_0,uncond); a row of one evaluation is that one exactly
        var w = tensor(_weights, ScalarType.Float32, images.device).view(-1, 1, 1, 1);          // B 1 1 1
        return withLabel.Plus(w * (withLabel - withoutLabel)).MoveToOuterDisposeScope();
    }

    private static Tensor Index(long[] rows, Tensor values) => tensor(rows, ScalarType.Int64, values.device);
}
