namespace CondDiffusion.MLNet.Model;

/// <summary>A transformer with a trained network that generates images.</summary>
internal interface ITrainedModel
{
    /// <summary>The generator with the network.</summary>
    ImageGenerator Generator { get; }

    /// <summary>The labels in the order of the network's rows; null if they have no values.</summary>
    IReadOnlyList<string>? LabelValues { get; }
}
