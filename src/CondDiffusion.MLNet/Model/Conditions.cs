namespace CondDiffusion.MLNet.Model;

/// <summary>Makes conditions of the arguments of a direct call.</summary>
internal static class Conditions
{
    /// <summary>Checks the arguments and returns what decides each image.</summary>
    /// <param name="model">The model.</param>
    /// <param name="labels">Label of each image, as text; null for an image without a label.</param>
    /// <param name="seeds">Seed of each image; null for 0, 1, 2 and so on.</param>
    /// <param name="guidance">Guidance scale of each image; null for that of the model.</param>
    /// <exception cref="ArgumentException">
    /// There are no labels, the model has no such label, or the numbers of labels, seeds and scales differ.
    /// </exception>
    public static Condition[] Create(
        ModelDescription model,
        IReadOnlyList<string?> labels,
        IReadOnlyList<long>? seeds,
        IReadOnlyList<float>? guidance = null)
    {
        ArgumentNullException.ThrowIfNull(labels);
        if (labels.Count == 0)
            throw new ArgumentException("There are no labels to generate images for.", nameof(labels));
        if (seeds is not null && seeds.Count != labels.Count)
            throw new ArgumentException($"There are {seeds.Count} seeds for {labels.Count} labels.", nameof(seeds));
        if (guidance is not null) CheckGuidance(model, guidance, labels.Count);

        return
        [
            .. labels.Select((label, i) => new Condition(
                FindLabel(model, label), (ulong)(seeds?[i] ?? i), guidance?[i] ?? model.GuidanceScale)),
        ];
    }

    private static void CheckGuidance(ModelDescription model, IReadOnlyList<float> guidance, int labels)
    {
        if (!model.GeneratesUnlabelled)
        {
            throw new ArgumentException(
                "This model cannot be guided: it does not generate images without a label.", nameof(guidance));
        }

        if (guidance.Count != labels)
        {
            throw new ArgumentException(
                $"There are {guidance.Count} guidance scales for {labels} labels.", nameof(guidance));
        }

        foreach (var scale in guidance.Where(scale => !SamplingOptions.IsScale(scale)))
        {
            throw new ArgumentException(
                $"A guidance scale must be in [0, {ModelLimits.GuidanceScale}], but is {scale}.", nameof(guidance));
        }
    }

    /// <summary>Returns the row of a label in the label embedding table.</summary>
    private static int FindLabel(ModelDescription model, string? label)
    {
        if (label is not null) return model.Labels.IndexOf(label);

        return model.Unlabelled ?? throw new ArgumentException(
            $"A label is null, but this model {model.WhyLabelled}.",
            nameof(label));
    }
}
