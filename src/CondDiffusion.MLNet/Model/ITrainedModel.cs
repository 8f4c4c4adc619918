namespace CondDiffusion.MLNet.Model;

/// <summary>A transformer with a trained network that generates images.</summary>
internal interface ITrainedModel
{
    /// <summary>The generator with the network.</summary>
    ImageGenerator Generator { get; }

    /// <summary>Everything about the model but its weights.</summary>
    ModelDescription Description { get; }
}
