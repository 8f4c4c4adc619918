namespace CondDiffusion.MLNet;

/// <summary>
/// What a model does with a row whose label is missing, as that of a value which training did not see.
/// </summary>
public enum MissingLabelBehavior
{
    /// <summary>Reading the row's image is an error, which names the row.</summary>
    Error,

    /// <summary>
    /// The image is generated without a label, as any of the training images might be. The model must have been trained
    /// with <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>.
    /// </summary>
    Unconditional,
}
