"""The terms of Darwin Core, so that one that is none is told.

Reference: https://dwc.tdwg.org/list/
"""

from __future__ import annotations

__all__ = ["BASES", "DARWIN_TERMS", "ROW_TYPES"]

BASES = frozenset(
    """
    PreservedSpecimen FossilSpecimen LivingSpecimen MaterialSample MaterialEntity
    MaterialCitation HumanObservation MachineObservation Observation Occurrence Event Taxon
    Organism
    """.split()
)
"""What a record can rest on."""

ROW_TYPES = frozenset(
    """
    Occurrence Event Taxon Identification MeasurementOrFact ExtendedMeasurementOrFact Multimedia
    Image DNADerivedData ResourceRelationship Releve GermplasmAccession Preservation
    Amplification MaterialSample Loan Permit ChronometricAge Distribution Description
    VernacularName Reference SpeciesProfile TypesAndSpecimen Identifier Humboldt Cloning
    GelImage Audubon EOLReference LiteratureReferences EOLMedia
    """.split()
)
"""Classes of rows that GBIF takes."""

DARWIN_TERMS = frozenset(
    """
    acceptedNameUsage acceptedNameUsageID associatedMedia associatedOccurrences
    associatedOrganisms associatedReferences associatedSequences associatedTaxa basisOfRecord
    bed behavior caste catalogNumber class collectionCode collectionID continent
    coordinatePrecision coordinateUncertaintyInMeters country countryCode county cultivarEpithet
    dataGeneralizations datasetID datasetName dateIdentified day decimalLatitude
    decimalLongitude degreeOfEstablishment digitalSpecimenID disposition dynamicProperties
    earliestAgeOrLowestStage earliestEonOrLowestEonothem earliestEpochOrLowestSeries
    earliestEraOrLowestErathem earliestPeriodOrLowestSystem endDayOfYear establishmentMeans
    eventAttributes eventDate eventID eventRemarks eventTime eventType family feedbackURL
    fieldNotes fieldNumber footprintSRS footprintSpatialFit footprintWKT formation generalizedTo
    genericName genus geodeticDatum geologicalContextID georeferenceProtocol georeferenceRemarks
    georeferenceSources georeferenceVerificationStatus georeferencedBy georeferencedDate group
    habitat higherClassification higherGeography higherGeographyID highestBiostratigraphicZone
    identificationID identificationQualifier identificationReferences identificationRemarks
    identificationVerificationStatus identifiedBy identifiedByID individualCount
    informationWithheld infragenericEpithet infraspecificEpithet institutionCode institutionID
    island islandGroup kingdom latestAgeOrHighestStage latestEonOrHighestEonothem
    latestEpochOrHighestSeries latestEraOrHighestErathem latestPeriodOrHighestSystem lifeStage
    lithostratigraphicTerms locality locationAccordingTo locationID locationRemarks
    lowestBiostratigraphicZone materialEntityID materialEntityRemarks materialEntityType
    materialSampleID maximumDepthInMeters maximumDistanceAboveSurfaceInMeters
    maximumElevationInMeters measurementAccuracy measurementDeterminedBy
    measurementDeterminedDate measurementID measurementMethod measurementRemarks measurementType
    measurementUnit measurementValue member minimumDepthInMeters
    minimumDistanceAboveSurfaceInMeters minimumElevationInMeters month municipality
    nameAccordingTo nameAccordingToID namePublishedIn namePublishedInID namePublishedInYear
    nomenclaturalCode nomenclaturalStatus objectQuantity objectQuantityType occurrenceID
    occurrenceRemarks occurrenceStatus order organismID organismName organismQuantity
    organismQuantityType organismRemarks organismScope originalNameUsage originalNameUsageID
    otherCatalogNumbers ownerInstitutionCode parentEventID parentMeasurementID parentNameUsage
    parentNameUsageID pathway phylum pointRadiusSpatialFit preparations previousIdentifications
    recordNumber recordedBy recordedByID relatedResourceID relationshipAccordingTo
    relationshipEstablishedDate relationshipOfResource relationshipOfResourceID
    relationshipRemarks reproductiveCondition resourceID resourceRelationshipID sampleSizeUnit
    sampleSizeValue samplingEffort samplingProtocol scientificName scientificNameAuthorship
    scientificNameID sex specificEpithet startDayOfYear stateProvince subfamily subgenus
    subtribe superfamily superorder taxonConceptID taxonID taxonRank taxonRemarks
    taxonomicStatus tribe typeStatus verbatimCoordinateSystem verbatimCoordinates verbatimDepth
    verbatimElevation verbatimEventDate verbatimIdentification verbatimLabel verbatimLatitude
    verbatimLocality verbatimLongitude verbatimMeasurementType verbatimSRS verbatimTaxonRank
    vernacularName verticalDatum vitality waterBody year type modified language license
    rightsHolder accessRights bibliographicCitation references
    """.split()
)
